#include "schema/base/utf8.hpp"

#include <bit>
#include <cstdint>

#include "schema/base/bytes.hpp"

namespace rowgate {

namespace {

struct Sequence {
  unsigned length;         // continuation bytes
  std::uint8_t low, high;  // allowed range of the first continuation byte
};

// Unicode 15, table 3-7. length 0 = not a lead byte.
Sequence sequence(std::uint8_t lead) noexcept {
  if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p != end) {
    while (end - p >= 8) {
      const std::uint64_t high = load_le<std::uint64_t>(p) & 0x8080808080808080U;
      if (high != 0) {
        p += std::countr_zero(high) / 8;  // to the first byte above 0x7F
        break;
      }
      p += 8;
    }
    if (p == end) break;
    const auto lead = static_cast<std::uint8_t>(*p++);
    if (lead < 0x80) continue;
    const Sequence s = sequence(lead);
    if (s.length == 0 || end - p < static_cast<std::ptrdiff_t>(s.length)) return false;
    const auto first = static_cast<std::uint8_t>(*p);
    if (first < s.low || first > s.high) return false;
    for (unsigned i = 1; i < s.length; ++i) {
      if ((static_cast<std::uint8_t>(p[i]) & 0xC0) != 0x80) return false;
    }
    p += s.length;
  }
  return true;
}

}  // namespace rowgate
