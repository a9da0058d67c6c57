// A client's byte stream from CONNECT on, as a connection reads it: in the version CONNECT chose,
// cut into pieces whose sizes the first bytes of the input give. The packets found must not depend
// on the cuts.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/gateway/mqtt/decode_any.hpp"

using namespace rowgate::mqtt;

namespace {

constexpr std::size_t max_packet = 65536;
constexpr std::size_t cuts = 4;

// Takes the whole packets off the front of `stream` and returns their sizes.
std::vector<std::size_t> take_packets(std::string_view& stream, bool decode) {
  std::vector<std::size_t> sizes;
  Version version = Version::v311;
  for (FrameResult r; (r = next_frame(stream, max_packet)).status == FrameResult::Status::frame;) {
    if (r.frame.type == PacketType::connect) version = peek_version(r.frame);
    if (decode) test::decode_any(r.frame, version);
    sizes.push_back(r.frame.size);
    stream.remove_prefix(r.frame.size);
  }
  return sizes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < cuts) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(bytes) + cuts, size - cuts);
  std::string_view rest = stream;
  const std::vector<std::size_t> whole = take_packets(rest, true);

  std::vector<std::size_t> pieces;
  std::string buffer;
  std::size_t at = 0;
  for (std::size_t cut = 0; cut <= cuts; ++cut) {
    const std::size_t left = stream.size() - at;
    const std::size_t piece = cut < cuts ? left * bytes[cut] / 256 : left;
    buffer.append(stream, at, piece);
    at += piece;
    std::string_view unread = buffer;
    const std::vector<std::size_t> found = take_packets(unread, false);
    pieces.insert(pieces.end(), found.begin(), found.end());
    buffer.erase(0, buffer.size() - unread.size());
  }
  test::must(pieces == whole);
  return 0;
}
