#pragma once
// A point in time as both sinks store it: microseconds since 1970-01-01T00:00:00Z.
// Microseconds are PostgreSQL's resolution and reach far beyond any calendar year in 64 bits
// (nanoseconds would end in 2262). Pure; any thread.
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowgate {

struct Timestamp {
  std::int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what ISO 8601 with four-digit years,
/// PostgreSQL and SQLite's date functions all take. Everything else is refused as out of range.
inline constexpr Timestamp min_timestamp{-62135596800000000};
inline constexpr Timestamp max_timestamp{253402300799999999};

inline bool in_range(Timestamp t) noexcept {
  return t >= min_timestamp && t <= max_timestamp;
}

/// Length of `2026-11-21T07:09:39.123456Z`.
inline constexpr std::size_t iso8601_size = 27;

/// Writes exactly iso8601_size bytes, no terminator. Precondition: in_range(t).
void format_iso8601(Timestamp t, char* out) noexcept;
std::string to_iso8601(Timestamp t);

/// ISO 8601 / RFC 3339: `YYYY-MM-DD`, optionally `T` or a space and `HH:MM[:SS[.fraction]]`,
/// optionally `Z` or `+HH[[:]MM]`; without an offset the time is UTC. Digits beyond the
/// microsecond are cut off. nullopt: not such a text, no such date, or out of range.
std::optional<Timestamp> parse_iso8601(std::string_view text) noexcept;

}  // namespace rowgate
