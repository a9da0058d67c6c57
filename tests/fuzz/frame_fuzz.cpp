// One control packet of any type: the first byte of the input chooses the version and the type with
// its flags, the rest is the body, so that no input is wasted on the Remaining Length. The same
// bytes are also read as a stream.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/gateway/mqtt/decode_any.hpp"

using namespace rowgate::mqtt;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  if (input.size() < 2) return 0;

  const FrameResult stream = next_frame(input.substr(1), 65536);
  if (stream.status == FrameResult::Status::frame) {
    test::must(stream.frame.size <= input.size() - 1);
    test::decode_any(stream.frame, Version::v5);
  } else if (stream.status == FrameResult::Status::need_more) {
    test::must(stream.wanted > input.size() - 1);
  }

  const auto first = static_cast<std::uint8_t>(input[1]);
  if (first >> 4 == 0) return 0;
  Frame frame;
  frame.type = static_cast<PacketType>(first >> 4);
  frame.flags = first & 0x0F;
  frame.body = input.substr(2);
  frame.size = size;
  test::decode_any(frame, (input[0] & 1) != 0 ? Version::v5 : Version::v311);
  return 0;
}
