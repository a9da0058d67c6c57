#pragma once
// PINGREQ, PINGRESP, DISCONNECT, AUTH (sections 3.12 to 3.15).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

struct DisconnectView {
  ReasonCode code = ReasonCode::success;
  std::optional<std::uint32_t> session_expiry_interval;  // seconds
};

/// 3.1.1: no body. 5.0: a reason code a client may send, properties.
Decoded<DisconnectView> decode_disconnect(const Frame& frame, Version version);
/// Server to client, 5.0 only (3.1.1 servers just close) [MQTT-3.14.0-1].
void encode_disconnect(std::string& out, ReasonCode code, std::string_view reason = {});

/// PINGREQ carries nothing.
Decoded<bool> decode_pingreq(const Frame& frame) noexcept;
void encode_pingresp(std::string& out);

/// 5.0 only: checks the packet. The gateway offers no authentication method, so any AUTH is then a
/// protocol error of the peer's [MQTT-4.12.0-6]; the codec only tells well-formed from malformed.
Decoded<bool> decode_auth(const Frame& frame);

}  // namespace rowgate::mqtt
