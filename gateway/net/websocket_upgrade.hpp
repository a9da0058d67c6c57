#pragma once
// The HTTP request that turns a connection into a WebSocket, and its answer (RFC 6455,
// section 4.2). Pure. Any path will do; the sub-protocol must be `mqtt`, and is said back
// [MQTT-6.0.0-3], [MQTT-6.0.0-4].
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rowgate::net {

struct Upgrade {
  enum class Status : std::uint8_t { need_more, accepted, refused };

  /// Of the request: its line and all its fields.
  static constexpr std::size_t max_bytes = 8192;

  Status status = Status::need_more;
  std::size_t size = 0;       // of the request; what follows are frames
  std::string answer{};       // to send, also where it is refused; may be empty
  std::string_view reason{};  // of a refusal; lives for ever
};

/// What the connection's first bytes say. `seen`: how many of them it was given at the last call.
Upgrade read_upgrade(std::string_view bytes, std::size_t seen);

}  // namespace rowgate::net
