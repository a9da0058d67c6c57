#pragma once
// PINGREQ, PINGRESP, DISCONNECT, AUTH (sections 3.12 to 3.15).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

struct DisconnectView {
  ReasonCode code = ReasonCode::success;
  std::optional<std::uint32_t> session_expiry_interval;  // seconds
};

/// 3.1 and 3.1.1: no body. 5.0: a reason code a client may send, properties.
Decoded<DisconnectView> decode_disconnect(const Frame& frame, Version version);
/// Server to client, 5.0 only (older servers just close) [MQTT-3.14.0-1].
void encode_disconnect(std::string& out, ReasonCode code, std::string_view reason = {});

/// The same with all a server may say. Whether the client asked for problem information does not
/// matter here [MQTT-3.1.2-29]; that the packet stays within its limit does [MQTT-3.14.2-3, -4].
struct Disconnect {
  ReasonCode code = ReasonCode::success;
  std::string_view server_reference{};  // with use_another_server and server_moved
  ProblemInformation problem{};
};
void encode_disconnect(std::string& out, const Disconnect& disconnect);

/// PINGREQ carries nothing.
Decoded<bool> decode_pingreq(const Frame& frame) noexcept;
void encode_pingresp(std::string& out);

/// Views into the frame.
struct AuthView {
  ReasonCode code{};  // continue_authentication or re_authenticate
  std::string_view method;
  std::optional<std::string_view> data;
};
/// 5.0 only: all a client may send, section 3.15. A reason code a client cannot send is a protocol
/// error, which goes for the empty AUTH too, as it means success [MQTT-3.15.2-1]; so is a missing
/// method. Whether an AUTH may come at all is the session's to say [MQTT-4.12.0-7].
Decoded<AuthView> decode_auth(const Frame& frame);

}  // namespace rowgate::mqtt
