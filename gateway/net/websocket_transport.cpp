#include "gateway/net/websocket_transport.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/net/websocket_upgrade.hpp"

namespace rowgate::net {
namespace {

// Frames leave together, through a buffer of this size: a TLS record's.
constexpr std::size_t buffer_size = 16U << 10;
constexpr std::size_t max_head = 10;

/// Of the MQTT packet that `bytes` begin with, by its Remaining Length. We send whole packets only.
std::size_t packet_size(std::string_view bytes) noexcept {
  std::size_t remaining = 0;
  std::size_t at = 1;
  for (unsigned shift = 0; at < bytes.size() && shift < 28; shift += 7) {
    const auto digit = static_cast<unsigned char>(bytes[at++]);
    remaining |= static_cast<std::size_t>(digit & 0x7FU) << shift;
    if ((digit & 0x80U) == 0) break;
  }
  return at + remaining;
}

}  // namespace

Transfer WebSocketTransport::receive(std::span<char> into) {
  if (state_ == State::ended) return discard(into);
  if (state_ == State::ending) return end();
  const Transfer got = state_ == State::upgrading ? upgrade(into) : below().receive(into);
  if (got.flow != Flow::bytes) return got;
  const Transfer payload = decode(into.first(got.bytes));
  if (!answers_.empty() && !in_frame()) flush_answers();
  return payload;
}

Transfer WebSocketTransport::upgrade(std::span<char> into) {
  const Transfer got = below().receive(into);
  if (got.flow != Flow::bytes) return got;
  const std::size_t seen = request_.size();
  request_.append(into.data(), got.bytes);
  Upgrade upgrade = read_upgrade(request_, seen);
  if (upgrade.status == Upgrade::Status::need_more) return {};
  answers_ = std::move(upgrade.answer);
  flush_answers();
  if (upgrade.status == Upgrade::Status::refused) {
    std::string().swap(request_);
    state_ = State::ended;
    return fail(upgrade.reason);
  }
  const std::size_t rest = request_.size() - upgrade.size;
  std::memcpy(into.data(), request_.data() + upgrade.size, rest);
  std::string().swap(request_);
  state_ = State::open;
  return {rest > 0 ? Flow::bytes : Flow::would_block, rest};
}

Transfer WebSocketTransport::decode(std::span<char> bytes) {
  const std::size_t payload = decoder_.decode(bytes, answers_);
  if (decoder_.state() != FrameDecoder::State::open) state_ = State::ending;
  if (payload > 0) return {Flow::bytes, payload};
  return state_ == State::ending ? end() : Transfer{};
}

Transfer WebSocketTransport::end() {
  state_ = State::ended;
  if (decoder_.state() == FrameDecoder::State::failed) return fail(decoder_.reason());
  return {Flow::closed, 0};
}

Flow WebSocketTransport::flush_answers() {
  while (!answers_.empty()) {
    const Transfer sent = below().send(answers_);
    if (sent.flow != Flow::bytes) return sent.flow;
    answers_.erase(0, sent.bytes);
  }
  return Flow::bytes;
}

void WebSocketTransport::frame(std::string_view bytes) {
  framed_.reserve(buffer_size);
  framed_of_ = 0;
  while (!bytes.empty() && framed_.size() + max_head < buffer_size) {
    if (packet_left_ == 0) {
      packet_left_ = packet_size(bytes);
      append_frame_head(framed_, packet_left_);
    }
    const std::string_view piece =
        bytes.substr(0, std::min(packet_left_, buffer_size - framed_.size()));
    framed_ += piece;
    packet_left_ -= piece.size();
    framed_of_ += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

// The caller's bytes count as sent when the frames around them are; until then it comes with the
// same bytes again.
Transfer WebSocketTransport::send(std::string_view bytes) {
  if (state_ != State::open) return {Flow::closed, 0};
  if (!in_frame()) {
    if (const Flow flow = flush_answers(); flow != Flow::bytes) return {flow, 0};
  }
  if (framed_.empty()) frame(bytes);
  while (!framed_.empty()) {
    const Transfer sent = below().send(framed_);
    if (sent.flow != Flow::bytes) return {sent.flow, 0};
    framed_.erase(0, sent.bytes);
  }
  std::string().swap(framed_);
  return {Flow::bytes, framed_of_};
}

void WebSocketTransport::wait_readable(Wake wake) {
  state_ == State::ending ? soon(wake) : Layer::wait_readable(wake);
}

void WebSocketTransport::shutdown_send() {
  const bool says_so = state_ == State::open && !in_frame();  // else it has been said
  if (says_so) append_close(answers_, CloseCode::normal);
  if (!in_frame()) flush_answers();
  Layer::shutdown_send();
}

}  // namespace rowgate::net
