#pragma once
// Strong types of the journal's coordinates.
#include <compare>
#include <cstdint>
#include <string_view>

namespace rowgate::storage {

/// A byte offset in the journal, counted from its first byte ever; only grows.
struct Position {
  std::uint64_t value = 0;
  auto operator<=>(const Position&) const = default;
};

/// A partition of the journal by client id: 0 .. lanes-1.
struct Lane {
  std::uint16_t value = 0;
  auto operator<=>(const Lane&) const = default;
};

/// FNV-1a of the client id, folded onto the lanes. Part of the journal format: a client's records
/// must stay in one lane as long as the journal lives. Precondition: lanes > 0.
inline Lane lane_of(std::string_view client_id, std::uint16_t lanes) noexcept {
  std::uint64_t h = 14695981039346656037ULL;
  for (const char c : client_id) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  h ^= h >> 32;
  return Lane{static_cast<std::uint16_t>(h % lanes)};
}

}  // namespace rowgate::storage
