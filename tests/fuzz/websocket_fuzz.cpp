// A WebSocket connection's bytes: the request that opens it and the frames that follow, cut as the
// first bytes of the input say. What is found must not depend on the cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/net/websocket_frames.hpp"
#include "gateway/net/websocket_upgrade.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::net;

namespace {

constexpr std::string_view request =
    "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n";

struct Outcome {
  std::string payload;
  std::string answers;
  FrameDecoder::State state = FrameDecoder::State::open;
};

Outcome decode(std::string_view frames, std::size_t step) {
  FrameDecoder decoder;
  Outcome outcome;
  while (!frames.empty() && decoder.state() == FrameDecoder::State::open) {
    std::string piece(frames.substr(0, step));
    frames.remove_prefix(piece.size());
    const std::size_t payload = decoder.decode(piece, outcome.answers);
    must(payload <= piece.size());
    outcome.payload.append(piece, 0, payload);
  }
  outcome.state = decoder.state();
  must((outcome.state == FrameDecoder::State::failed) == !decoder.reason().empty());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = 1 + bytes[0];
  std::string input(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  // Half of the inputs are frames only, behind a request that is taken.
  if ((bytes[1] & 1) != 0) input.insert(0, request);

  const Upgrade whole = read_upgrade(input, 0);
  Upgrade upgrade;
  std::size_t seen = 0;
  for (std::size_t given = 0; given < input.size();) {
    given = std::min(given + step, input.size());
    upgrade = read_upgrade(std::string_view(input).substr(0, given), seen);
    seen = given;
    if (upgrade.status != Upgrade::Status::need_more) break;
  }
  if (!input.empty()) must(upgrade.status == whole.status);
  if (whole.status == Upgrade::Status::refused) must(!whole.reason.empty());
  if (whole.status != Upgrade::Status::accepted) return 0;
  must(whole.size == upgrade.size && whole.size <= input.size());
  must(whole.answer.starts_with("HTTP/1.1 101"));

  const std::string_view frames = std::string_view(input).substr(whole.size);
  // Answers to pings beyond a limit are left out, so few of them must be the same.
  const Outcome once = decode(frames, frames.size());
  const Outcome cut = decode(frames, step);
  must(once.payload == cut.payload && once.state == cut.state);
  if (once.answers.size() < FrameDecoder::max_answers / 2) must(once.answers == cut.answers);
  return 0;
}
