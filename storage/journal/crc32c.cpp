#include "storage/journal/crc32c.hpp"

#include <array>

#include "schema/base/bytes.hpp"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define ROWGATE_SSE42 __attribute__((target("sse4.2")))
#endif

namespace rowgate::storage {
namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
    t[0][i] = crc;
  }
  for (std::uint32_t i = 0; i < 256; ++i) {
    for (std::size_t k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xFFU];
  }
  return t;
}

constexpr Tables tables = make_tables();

std::uint32_t table_u64(std::uint32_t state, std::uint64_t v) noexcept {
  v ^= state;
  std::uint32_t crc = 0;
  for (std::size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][(v >> (8 * k)) & 0xFFU];
  return crc;
}

#if defined(__x86_64__)

// A plain variable, because every call reads it. Before it is set (other files' static
// initialisers) the tables serve, with the same answer.
const bool use_sse42 = [] {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}();

ROWGATE_SSE42 inline std::uint32_t sse42(std::uint32_t state, const char* p,
                                         std::size_t n) noexcept {
  std::uint64_t crc = state;
  for (; n >= 8; p += 8, n -= 8) crc = _mm_crc32_u64(crc, load_le<std::uint64_t>(p));
  auto tail = static_cast<std::uint32_t>(crc);
  if ((n & 4U) != 0) {
    tail = _mm_crc32_u32(tail, load_le<std::uint32_t>(p));
    p += 4;
  }
  if ((n & 2U) != 0) {
    tail = _mm_crc32_u16(tail, load_le<std::uint16_t>(p));
    p += 2;
  }
  if ((n & 1U) != 0) tail = _mm_crc32_u8(tail, load_le<std::uint8_t>(p));
  return tail;
}

ROWGATE_SSE42 std::uint32_t sse42_runs(std::uint32_t state, const std::string_view* runs,
                                       std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) state = sse42(state, runs[i].data(), runs[i].size());
  return state;
}

ROWGATE_SSE42 std::uint32_t sse42_u64(std::uint32_t state, std::uint64_t v) noexcept {
  return static_cast<std::uint32_t>(_mm_crc32_u64(state, v));
}

#endif

}  // namespace

namespace detail {

std::uint32_t crc32c_table(std::uint32_t state, const char* p, std::size_t n) noexcept {
  for (; n >= 8; p += 8, n -= 8) state = table_u64(state, load_le<std::uint64_t>(p));
  for (; n > 0; ++p, --n) {
    state = (state >> 8) ^ tables[0][(state ^ static_cast<unsigned char>(*p)) & 0xFFU];
  }
  return state;
}

}  // namespace detail

std::uint32_t crc32c_extend(std::uint32_t state, const char* p, std::size_t n) noexcept {
#if defined(__x86_64__)
  if (use_sse42) return sse42(state, p, n);
#endif
  return detail::crc32c_table(state, p, n);
}

std::uint32_t crc32c_extend_u64(std::uint32_t state, std::uint64_t v) noexcept {
#if defined(__x86_64__)
  if (use_sse42) return sse42_u64(state, v);
#endif
  return table_u64(state, v);
}

std::uint32_t crc32c_extend_runs(std::uint32_t state, const std::string_view* runs,
                                 std::size_t count) noexcept {
#if defined(__x86_64__)
  if (use_sse42) return sse42_runs(state, runs, count);
#endif
  for (std::size_t i = 0; i < count; ++i) {
    state = detail::crc32c_table(state, runs[i].data(), runs[i].size());
  }
  return state;
}

}  // namespace rowgate::storage
