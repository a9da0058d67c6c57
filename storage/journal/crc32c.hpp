#pragma once
// CRC32C (Castagnoli, reflected polynomial 0x82F63B78), with the SSE4.2 instruction where the
// processor has it and tables where not. Pure; any thread.
//
// The functions work on the raw state, without the customary inversion before and after: the state
// after `a` is the seed for `b` when one checksum covers both. crc32c() is the customary form.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rowgate::storage {

std::uint32_t crc32c_extend(std::uint32_t state, const char* p, std::size_t n) noexcept;
/// As crc32c_extend() over the 8 bytes of `v`, little endian.
std::uint32_t crc32c_extend_u64(std::uint32_t state, std::uint64_t v) noexcept;
/// As crc32c_extend() over several runs of bytes, one after another.
std::uint32_t crc32c_extend_runs(std::uint32_t state, const std::string_view* runs,
                                 std::size_t count) noexcept;

inline std::uint32_t crc32c(std::string_view bytes) noexcept {
  return ~crc32c_extend(~std::uint32_t{0}, bytes.data(), bytes.size());
}

namespace detail {
/// The table form, for processors without SSE4.2 and for the test that both agree.
std::uint32_t crc32c_table(std::uint32_t state, const char* p, std::size_t n) noexcept;
}  // namespace detail

}  // namespace rowgate::storage
