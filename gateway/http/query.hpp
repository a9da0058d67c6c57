#pragma once
// The query part of a request's target: "?prefix=site%2Fa&limit=10". Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowgate::http {

/// Percent-decoded; with `plus_is_space` a '+' is a space, as forms write it. What follows a '%'
/// without two hex digits stays as it is.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

class Query {
 public:
  Query() = default;
  /// Of a whole target; without a '?' there is nothing in it.
  explicit Query(std::string_view target);

  /// The first value with this name.
  std::optional<std::string_view> text(std::string_view name) const;
  /// A whole number in [least, most]; `otherwise` where the name is not there. nullopt: it is not
  /// such a number.
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t otherwise,
                                      std::uint64_t least, std::uint64_t most) const;
  /// `?strict`, `?strict=true` and `?strict=1`.
  bool flag(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace rowgate::http
