// Packed payloads: any bytes are unpacked, within their limit, or refused with a reason; and what
// one message leaves behind does not reach the next.
#include <cstddef>
#include <cstdint>

#include "schema/payload/compression.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::schema;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr Compression all[] = {Compression::gzip, Compression::zlib, Compression::zstd};
  if (size == 0) return 0;
  static Unpacker kept;
  const std::string_view packed(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  Unpacker fresh;
  Arena arena;
  const auto content = kept.unpack(all[bytes[0] % 3], packed, arena);
  const auto again = fresh.unpack(all[bytes[0] % 3], packed, arena);
  must(content == again);
  if (content) {
    must(content->size() <= 16U << 20);
  } else {
    must(!kept.reason().empty());  // zstd's words depend on how much room there is
  }
  return 0;
}
