// Scalars and times of the mapping file.
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "schema/mapping_parse.hpp"

namespace rowgate::schema {
namespace {

std::optional<Literal> time_literal(const toml::date& date, const toml::time& time, int minutes) {
  const std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{}{:02}:{:02}", date.year, date.month,
                  date.day, time.hour, time.minute, time.second, time.nanosecond / 1000,
                  minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60);
  const auto t = parse_iso8601(text);
  return t ? std::optional<Literal>(*t) : std::nullopt;
}

}  // namespace

std::optional<Literal> literal_of(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* whole = node.as_integer()) return whole->get();
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* real = node.as_floating_point()) {
    return std::isfinite(real->get()) ? std::optional<Literal>(real->get()) : std::nullopt;
  }
  if (const auto* date = node.as_date()) return time_literal(date->get(), {}, 0);
  if (const auto* moment = node.as_date_time()) {
    const toml::date_time& t = moment->get();
    return time_literal(t.date, t.time, t.offset ? t.offset->minutes : 0);
  }
  return std::nullopt;
}

std::optional<std::chrono::microseconds> span_of(std::string_view text) {
  using std::chrono::microseconds;
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count == 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr std::pair<std::string_view, std::int64_t> units[] = {{"ms", 1'000},
                                                                 {"s", 1'000'000},
                                                                 {"m", 60'000'000},
                                                                 {"h", 3'600'000'000},
                                                                 {"d", 86'400'000'000}};
  for (const auto& [name, micros] : units) {
    if (unit == name && count <= 100LL * 365 * 86'400'000'000 / micros) {
      return microseconds(count * micros);
    }
  }
  return std::nullopt;
}

}  // namespace rowgate::schema
