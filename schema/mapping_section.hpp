#pragma once
// One TOML table of the mapping file, read key by key. What is wrong goes to the Errors with its
// place, and reading goes on, so that one run finds every error. Start-up only.
#include <toml++/toml.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/mapping_file.hpp"

namespace rowgate::schema {

class Errors {
 public:
  void add(const toml::source_region& where, std::string message, std::string hint = {});
  void add(const toml::node& where, std::string message, std::string hint = {}) {
    add(where.source(), std::move(message), std::move(hint));
  }
  bool any() const noexcept { return !errors_.empty(); }
  /// In the order of the file.
  std::vector<MappingError> take();

 private:
  std::vector<MappingError> errors_;
};

/// "did you mean 'x'?" or "one of: a, b, c".
std::string suggest(std::string_view word, std::span<const std::string_view> known);

/// A key of a table and its value.
struct Entry {
  std::string name;
  toml::source_region where;
  const toml::node* value;
};
/// As written in the file; toml++ sorts by name.
std::vector<Entry> in_file_order(const toml::table& table);

class Section {
 public:
  /// Reports keys that are not in `known`. `what` names the table in messages ("mapping").
  Section(const toml::table& table, std::string what, std::span<const std::string_view> known,
          Errors& errors);

  const toml::node* find(std::string_view key) const { return table_.get(key); }
  const toml::source_region& where() const { return table_.source(); }
  std::optional<std::string> text(std::string_view key) const;
  /// Reports a missing or empty one too.
  std::string required_text(std::string_view key, std::string_view example) const;
  std::optional<double> number(std::string_view key) const;
  bool flag(std::string_view key) const;
  /// The value of a key that takes one of a few words.
  template <class T>
  std::optional<T> choice(std::string_view key,
                          std::span<const std::pair<std::string_view, T>> words) const {
    const auto word = text(key);
    if (!word) return std::nullopt;
    std::vector<std::string_view> known;
    for (const auto& [name, value] : words) {
      if (name == *word) return value;
      known.push_back(name);
    }
    errors_.add(*find(key), std::string(key) + " '" + *word + "' is not known",
                suggest(*word, known));
    return std::nullopt;
  }

 private:
  const toml::table& table_;
  std::string what_;
  Errors& errors_;
};

}  // namespace rowgate::schema
