#pragma once
// MQTT in WebSocket's binary frames, over any layer. What comes is unmasked where the caller reads
// it. What goes is one frame for each MQTT packet: [MQTT-6.0.0-2] does not ask for that, but
// clients that take one packet a frame and wait for the next frame are about (paho C, paho
// JavaScript). Bounded: the upgrade request, the answers to pings, 16 KiB of frames that the layer
// below did not take.
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
  bool in_frame() const noexcept { return packet_left_ > 0 || !framed_.empty(); }
  /// Frames what fits of `bytes` into framed_.
  void frame(std::string_view bytes);

  State state_ = State::upgrading;
  std::string request_;
  FrameDecoder decoder_;
  std::string answers_;          // whole frames, or the HTTP answer
  std::size_t packet_left_ = 0;  // of the packet whose frame has begun, not framed yet
  std::string framed_;           // not taken by the layer below
  std::size_t framed_of_ = 0;    // bytes of the caller's that these frames carry
};

}  // namespace rowgate::net
