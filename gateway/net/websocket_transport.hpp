#pragma once
// MQTT in WebSocket's binary frames, over any layer. Holds no payload: what comes is unmasked where
// the caller reads it, what goes is framed as it is sent. Bounded: the upgrade request, the answers
// to pings, one frame's head.
#include <string>

#include "gateway/net/layer.hpp"
#include "gateway/net/websocket_frames.hpp"

namespace rowgate::net {

class WebSocketTransport final : public Layer {
 public:
  using Layer::Layer;

  Transfer receive(std::span<char> into) override;
  Transfer send(std::string_view bytes) override;
  bool pending() const noexcept override { return state_ == State::ending || below().pending(); }
  void wait_readable(Wake wake) override;
  void shutdown_send() override;

 private:
  enum class State : std::uint8_t {
    upgrading,
    open,
    ending,  // the end is known, and not yet said: payload came before it
    ended,
  };

  /// Reads the request; what follows it in `into` is moved to its front. `bytes`: how many.
  Transfer upgrade(std::span<char> into);
  Transfer decode(std::span<char> bytes);
  Transfer end();
  /// Sends answers; `bytes`: none is left. Not inside a frame.
  Flow flush_answers();

  State state_ = State::upgrading;
  std::string request_;
  FrameDecoder decoder_;
  std::string answers_;         // whole frames, or the HTTP answer
  std::string head_;            // of the frame that is being sent
  std::size_t frame_left_ = 0;  // its payload that is not sent
};

}  // namespace rowgate::net
