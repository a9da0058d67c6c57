// MessagePack: any bytes are a document that columns can be made of, or a reason.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/document_checks.hpp"

using namespace rowgate::schema;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::unique_ptr<Decoder> decoder = make_msgpack_decoder();
  check_document(*decoder, {reinterpret_cast<const char*>(bytes), size});
  return 0;
}
