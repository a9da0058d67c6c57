#pragma once
// Names a connection without holding it: its I/O thread, its slot there, and the slot's generation,
// so that a name outlives what it names harmlessly. Packs into 64 bits.
#include <compare>
#include <cstdint>

namespace rowgate::broker {

struct ConnectionRef {
  std::uint8_t thread = 0;
  std::uint32_t slot = 0;        // 24 bits
  std::uint32_t generation = 0;  // 0 is never a live connection's

  auto operator<=>(const ConnectionRef&) const = default;

  std::uint64_t pack() const noexcept {
    return std::uint64_t{thread} << 56 | std::uint64_t{slot} << 32 | generation;
  }
  static ConnectionRef unpack(std::uint64_t bits) noexcept {
    return {static_cast<std::uint8_t>(bits >> 56),
            static_cast<std::uint32_t>(bits >> 32) & 0xFFFFFFU, static_cast<std::uint32_t>(bits)};
  }
};

inline constexpr std::uint32_t max_slots = 1U << 24;

}  // namespace rowgate::broker
