#include "gateway/net/websocket_transport.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "gateway/net/websocket_upgrade.hpp"

namespace rowgate::net {
namespace {

// Head and payload leave in one call, through a buffer of this size: a TLS record's.
constexpr std::size_t max_frame = 16U << 10;
constexpr std::size_t max_head = 4;  // of a frame up to 64 KiB

}  // namespace

Transfer WebSocketTransport::receive(std::span<char> into) {
  if (state_ == State::ended) return discard(into);
  if (state_ == State::ending) return end();
  const Transfer got = state_ == State::upgrading ? upgrade(into) : below().receive(into);
  if (got.flow != Flow::bytes) return got;
  const Transfer payload = decode(into.first(got.bytes));
  if (!answers_.empty() && frame_left_ == 0) flush_answers();
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

// A frame's head says how long it is, so a frame once begun is sent to its end with what it was
// begun for; answers go between two frames.
Transfer WebSocketTransport::send(std::string_view bytes) {
  if (state_ != State::open) return {Flow::closed, 0};
  if (frame_left_ == 0) {
    if (const Flow flow = flush_answers(); flow != Flow::bytes) return {flow, 0};
    frame_left_ = std::min(bytes.size(), max_frame - max_head);
    append_frame_head(head_, frame_left_);
  }
  const std::string_view payload = bytes.substr(0, frame_left_);
  std::array<char, max_frame> buffer;
  std::memcpy(buffer.data(), head_.data(), head_.size());
  std::memcpy(buffer.data() + head_.size(), payload.data(), payload.size());
  const Transfer sent = below().send({buffer.data(), head_.size() + payload.size()});
  if (sent.flow != Flow::bytes) return sent;
  const std::size_t of_head = std::min(sent.bytes, head_.size());
  head_.erase(0, of_head);
  const std::size_t of_payload = sent.bytes - of_head;
  frame_left_ -= of_payload;
  return {Flow::bytes, of_payload};
}

void WebSocketTransport::wait_readable(Wake wake) {
  state_ == State::ending ? soon(wake) : Layer::wait_readable(wake);
}

void WebSocketTransport::shutdown_send() {
  const bool says_so = state_ == State::open && frame_left_ == 0;  // else it has been said
  if (says_so) append_close(answers_, CloseCode::normal);
  if (frame_left_ == 0) flush_answers();
  Layer::shutdown_send();
}

}  // namespace rowgate::net
