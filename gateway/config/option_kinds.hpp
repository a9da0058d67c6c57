#pragma once
// Makes the rows of options.cpp's table: for each kind of value an Option that parses it, checks
// its range and prints it. Included by options.cpp alone.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gateway/config/options.hpp"
#include "gateway/config/units.hpp"

namespace rowgate::config::kinds {

using std::chrono::microseconds;

inline std::string unexpected(std::string_view expected, std::string_view got) {
  return fmt::format("expected {}, got '{}'", expected, got);
}

// In all makers `member` is a generic lambda: it names one member of a Config, const or not.

template <class Member>
Option text(std::string_view name, std::string_view flag, Kind kind, Member member,
            std::string_view help) {
  Option option{name, flag, kind, help, kind == Kind::file ? "a path" : "a text", {}, {}};
  option.set = [member](Config& config, std::string_view value) {
    member(config) = value;
    return std::string();
  };
  option.get = [member](const Config& config) { return member(config); };
  return option;
}

template <class Member>
Option endpoint(std::string_view name, std::string_view flag, Member member,
                std::string_view help) {
  Option option{name, flag, Kind::endpoint, help, "HOST:PORT such as 0.0.0.0:1883 or [::1]:1883",
                {},   {}};
  option.set = [member, expected = option.expected](Config& config, std::string_view value) {
    const auto parsed = parse_endpoint(value);
    if (!parsed) return unexpected(expected, value);
    member(config) = *parsed;
    return std::string();
  };
  option.get = [member](const Config& config) { return format_endpoint(member(config)); };
  return option;
}

/// As endpoint(), but may be empty: no host.
template <class Member>
Option optional_endpoint(std::string_view name, std::string_view flag, Member member,
                         std::string_view help) {
  Option option = endpoint(name, flag, member, help);
  option.expected = "HOST:PORT, or nothing";
  option.set = [member, set = option.set](Config& config, std::string_view value) {
    if (!value.empty()) return set(config, value);
    member(config) = {};
    return std::string();
  };
  option.get = [member](const Config& config) {
    return member(config).host.empty() ? std::string() : format_endpoint(member(config));
  };
  return option;
}

template <class Member>
Option size(std::string_view name, std::string_view flag, std::uint64_t least, std::uint64_t most,
            Member member, std::string_view help) {
  Option option{name, flag, Kind::size, help, {}, {}, {}};
  option.expected = fmt::format("a size such as \"64 MiB\", from {} to {}", format_size(least),
                                format_size(most));
  option.set = [=, expected = option.expected](Config& config, std::string_view value) {
    const auto parsed = parse_size(value);
    if (!parsed || *parsed < least || *parsed > most) return unexpected(expected, value);
    auto& target = member(config);
    target = static_cast<std::remove_reference_t<decltype(target)>>(*parsed);
    return std::string();
  };
  option.get = [member](const Config& config) { return format_size(member(config)); };
  return option;
}

template <class Member>
Option duration(std::string_view name, std::string_view flag, microseconds least, microseconds most,
                Member member, std::string_view help) {
  using Target = std::remove_cvref_t<decltype(member(std::declval<Config&>()))>;
  Option option{name, flag, Kind::duration, help, {}, {}, {}};
  option.expected = fmt::format("a time such as \"100 ms\" or \"10 s\", from {} to {}",
                                format_duration(least), format_duration(most));
  if constexpr (std::is_same_v<Target, std::chrono::seconds>) option.expected += ", whole seconds";
  option.set = [=, expected = option.expected](Config& config, std::string_view value) {
    const auto parsed = parse_duration(value);
    if (!parsed || *parsed < least || *parsed > most) return unexpected(expected, value);
    const auto rounded = std::chrono::duration_cast<Target>(*parsed);
    if (rounded != *parsed) return unexpected(expected, value);
    member(config) = rounded;
    return std::string();
  };
  option.get = [member](const Config& config) { return format_duration(member(config)); };
  return option;
}

template <class Member>
Option count(std::string_view name, std::string_view flag, std::uint32_t least, std::uint32_t most,
             Member member, std::string_view help) {
  Option option{name, flag, Kind::count, help, {}, {}, {}};
  option.expected = fmt::format("a whole number from {} to {}", least, most);
  option.set = [=, expected = option.expected](Config& config, std::string_view value) {
    std::uint32_t number = 0;
    const auto end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc{} || rest != end || number < least || number > most) {
      return unexpected(expected, value);
    }
    auto& target = member(config);
    target = static_cast<std::remove_reference_t<decltype(target)>>(number);
    return std::string();
  };
  option.get = [member](const Config& config) { return std::to_string(member(config)); };
  return option;
}

/// `words`: each word with the value it stands for.
template <class Member, class Value>
Option choice(std::string_view name, std::string_view flag, Member member,
              std::vector<std::pair<std::string_view, Value>> words, std::string_view help) {
  Option option{name, flag, Kind::choice, help, "one of", {}, {}};
  for (const auto& word : words) {
    option.expected += fmt::format("{}{}", option.expected == "one of" ? " " : ", ", word.first);
  }
  option.set = [=, expected = option.expected](Config& config, std::string_view value) {
    for (const auto& [word, meaning] : words) {
      if (word == value) {
        member(config) = meaning;
        return std::string();
      }
    }
    return unexpected(expected, value);
  };
  option.get = [=](const Config& config) {
    for (const auto& [word, meaning] : words) {
      if (member(config) == meaning) return std::string(word);
    }
    return std::string();
  };
  return option;
}

template <class Member>
Option flag(std::string_view name, std::string_view flag, Member member, std::string_view help) {
  Option option =
      choice<Member, bool>(name, flag, member, {{"true", true}, {"false", false}}, help);
  option.kind = Kind::flag;
  return option;
}

}  // namespace rowgate::config::kinds
