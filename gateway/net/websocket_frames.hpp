#pragma once
// WebSocket frames (RFC 6455, section 5), the server's side: what a client sends is unmasked in
// place, so that payload needs no buffer of its own, however long a message is. Pure.
//
// Only binary messages carry MQTT [MQTT-6.0.0-1]; where they begin and end means nothing
// [MQTT-6.0.0-2]. The size of a message has no limit here: nothing of it is kept, and the MQTT
// packets in it have theirs.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rowgate::net {

/// Why a connection is closed (RFC 6455, section 7.4.1).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  protocol_error = 1002,
  unsupported = 1003,  // a text frame
};

class FrameDecoder {
 public:
  /// Answers to pings wait up to this many bytes; what comes beyond is not answered. RFC 6455 asks
  /// for an answer to the latest ping only.
  static constexpr std::size_t max_answers = 4096;

  enum class State : std::uint8_t {
    open,
    closed,  // the client sent Close: its answer is in `answers`
    failed,  // reason() says why, and `answers` ends with a Close that says so to the client
  };

  /// Takes `bytes` as they come, cut anywhere; moves the payload in them to their front, and
  /// returns its length. Frames to send go to `answers`. Precondition: state() is open.
  std::size_t decode(std::span<char> bytes, std::string& answers);

  State state() const noexcept { return state_; }
  std::string_view reason() const noexcept { return reason_; }

 private:
  void begin_frame(std::string& answers);
  void take_control(std::span<const char> bytes);
  void end_control(std::string& answers);
  void on_close(std::string& answers);
  void fail(std::string_view reason, CloseCode code, std::string& answers);
  std::size_t head_wanted() const noexcept;

  std::array<std::uint8_t, 14> head_{};
  std::size_t head_had_ = 0;
  bool in_frame_ = false;
  bool in_message_ = false;
  std::uint8_t opcode_ = 0;
  std::uint64_t left_ = 0;  // of the frame's payload
  std::array<std::uint8_t, 4> mask_{};
  std::size_t masked_ = 0;  // payload bytes so far, modulo 4
  std::array<char, 125> control_{};
  std::size_t control_had_ = 0;
  State state_ = State::open;
  std::string_view reason_;
};

/// The head of an unmasked, final, binary frame of `size` bytes.
void append_frame_head(std::string& to, std::size_t size);
void append_close(std::string& to, CloseCode code);

}  // namespace rowgate::net
