#include "gateway/mqtt/control.hpp"

#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

// The codes of table 3-13 a client may send.
bool client_may_disconnect_with(ReasonCode code) noexcept {
  switch (code) {
    case ReasonCode::success:
    case ReasonCode::disconnect_with_will:
    case ReasonCode::unspecified_error:
    case ReasonCode::malformed_packet:
    case ReasonCode::protocol_error:
    case ReasonCode::implementation_specific_error:
    case ReasonCode::topic_name_invalid:
    case ReasonCode::receive_maximum_exceeded:
    case ReasonCode::topic_alias_invalid:
    case ReasonCode::packet_too_large:
    case ReasonCode::message_rate_too_high:
    case ReasonCode::quota_exceeded:
    case ReasonCode::administrative_action:
    case ReasonCode::payload_format_invalid:
      return true;
    default:
      return false;
  }
}

}  // namespace

Decoded<DisconnectView> decode_disconnect(const Frame& frame, Version version) {
  DisconnectView view;
  std::string_view body = frame.body;
  if (body.empty()) return view;
  if (version != Version::v5) return malformed("DISCONNECT of 3.1.1 has no body (section 3.14)");

  view.code = static_cast<ReasonCode>(body[0]);
  if (!client_may_disconnect_with(view.code)) {
    return protocol_error("reason code a client cannot disconnect with [MQTT-3.14.2-1]");
  }
  body.remove_prefix(1);
  if (body.empty()) return view;
  const auto properties = decode_properties(body, PropertySet::disconnect);
  if (!properties) return properties.error();
  if (!body.empty()) return malformed("bytes after the properties of DISCONNECT");
  view.session_expiry_interval = properties->session_expiry_interval;
  return view;
}

void encode_disconnect(std::string& out, ReasonCode code, std::string_view reason) {
  encode_disconnect(out, {.code = code, .problem = {.reason_string = reason}});
}

void encode_disconnect(std::string& out, const Disconnect& disconnect) {
  Properties properties;
  if (!disconnect.server_reference.empty()) {
    properties.server_reference = disconnect.server_reference;
  }
  ProblemInformation problem = disconnect.problem;
  problem.requested = true;
  std::string block;
  append_with_problem(block, properties, 1, problem);
  if (block.size() <= 1) block.clear();  // an empty block may be left out, and so may code 0
  const bool bare = block.empty() && disconnect.code == ReasonCode::success;
  append_fixed_header(out, PacketType::disconnect, 0, bare ? 0 : 1 + block.size());
  if (!bare) out.push_back(static_cast<char>(disconnect.code));
  out += block;
}

Decoded<bool> decode_pingreq(const Frame& frame) noexcept {
  if (!frame.body.empty()) return malformed("PINGREQ has no body (section 3.12)");
  return true;
}

void encode_pingresp(std::string& out) {
  append_fixed_header(out, PacketType::pingresp, 0, 0);
}

Decoded<AuthView> decode_auth(const Frame& frame) {
  std::string_view body = frame.body;
  AuthView view;
  view.code = body.empty() ? ReasonCode::success : static_cast<ReasonCode>(body[0]);
  if (view.code != ReasonCode::continue_authentication &&
      view.code != ReasonCode::re_authenticate) {
    return protocol_error("reason code a client's AUTH cannot carry [MQTT-3.15.2-1]");
  }
  body.remove_prefix(1);
  if (body.empty()) return malformed("AUTH without its properties (section 3.15.2.2)");
  const auto properties = decode_properties(body, PropertySet::auth);
  if (!properties) return properties.error();
  if (!body.empty()) return malformed("bytes after the properties of AUTH");
  if (!properties->authentication_method) {
    return protocol_error("AUTH without an authentication method (section 3.15.2.2.2)");
  }
  view.method = *properties->authentication_method;
  view.data = properties->authentication_data;
  return view;
}

}  // namespace rowgate::mqtt
