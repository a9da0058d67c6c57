#include "gateway/config/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <span>

namespace rowgate::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
  bool print = true;  // a unit that format_... uses
};

constexpr std::array sizes{
    Unit{"TiB", 1ULL << 40},
    Unit{"GiB", 1ULL << 30},
    Unit{"MiB", 1ULL << 20},
    Unit{"KiB", 1ULL << 10},
    Unit{"TB", 1'000'000'000'000, false},
    Unit{"GB", 1'000'000'000, false},
    Unit{"MB", 1'000'000, false},
    Unit{"kB", 1'000, false},
    Unit{"KB", 1'000, false},
    Unit{"B", 1},
};

constexpr std::array durations{
    Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000}, Unit{"min", 60'000'000},
    Unit{"s", 1'000'000},      Unit{"ms", 1'000},        Unit{"us", 1},
};

/// A whole number and one of the units. `bare`: what a number without a unit counts; 0 allows only
/// the number 0.
std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units,
                                   std::uint64_t bare) {
  std::uint64_t number = 0;
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view name(rest, static_cast<std::size_t>(end - rest));
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  std::uint64_t factor = bare;
  if (name.empty()) {
    if (bare == 0 && number != 0) return std::nullopt;
  } else {
    factor = 0;
    for (const Unit& unit : units) {
      if (unit.name == name) factor = unit.factor;
    }
    if (factor == 0) return std::nullopt;
  }
  if (factor != 0 && number > std::numeric_limits<std::uint64_t>::max() / factor) {
    return std::nullopt;
  }
  return number * factor;
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (unit.print && value % unit.factor == 0) {
      return fmt::format("{} {}", value / unit.factor, unit.name);
    }
  }
  return std::to_string(value);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, sizes, 1);
}

std::string format_size(std::uint64_t bytes) {
  return format(bytes, sizes);
}

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) {
  const auto micros = parse(text, durations, 0);
  if (!micros || *micros > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return std::chrono::microseconds(static_cast<std::int64_t>(*micros));
}

std::string format_duration(std::chrono::microseconds duration) {
  return format(static_cast<std::uint64_t>(duration.count()), durations);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return std::nullopt;
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address without its brackets is ambiguous
  }
  if (host.empty() || host.find_first_of(" \t/") != std::string_view::npos) return std::nullopt;
  Endpoint endpoint{std::string(host), 0};
  const auto end = port.data() + port.size();
  const auto [rest, error] = std::from_chars(port.data(), end, endpoint.port);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return endpoint;
}

std::string format_endpoint(const Endpoint& endpoint) {
  const bool brackets = endpoint.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", endpoint.host, brackets ? "]" : "",
                     endpoint.port);
}

}  // namespace rowgate::config
