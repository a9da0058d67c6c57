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
  if (version == Version::v311) return malformed("DISCONNECT of 3.1.1 has no body (section 3.14)");

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
  if (reason.empty()) {
    const bool bare = code == ReasonCode::success;
    append_fixed_header(out, PacketType::disconnect, 0, bare ? 0 : 1);
    if (!bare) out.push_back(static_cast<char>(code));
    return;
  }
  const auto block = static_cast<std::uint32_t>(3 + reason.size());
  append_fixed_header(out, PacketType::disconnect, 0, 1 + varint_size(block) + block);
  out.push_back(static_cast<char>(code));
  append_varint(out, block);
  out.push_back(static_cast<char>(PropertyId::reason_string));
  append_binary(out, reason);
}

Decoded<bool> decode_pingreq(const Frame& frame) noexcept {
  if (!frame.body.empty()) return malformed("PINGREQ has no body (section 3.12)");
  return true;
}

void encode_pingresp(std::string& out) {
  append_fixed_header(out, PacketType::pingresp, 0, 0);
}

Decoded<bool> decode_auth(const Frame& frame) {
  std::string_view body = frame.body;
  if (body.empty()) return true;  // reason code 0x00, no properties (section 3.15.2.1)
  const auto code = static_cast<std::uint8_t>(body[0]);
  // Success, continue authentication, re-authenticate.
  if (code != 0x00 && code != 0x18 && code != 0x19) {
    return protocol_error("reason code AUTH cannot carry [MQTT-3.15.2-1]");
  }
  body.remove_prefix(1);
  if (body.empty()) return malformed("AUTH without its properties (section 3.15.2.2)");
  if (auto properties = decode_properties(body, PropertySet::auth); !properties) {
    return properties.error();
  }
  if (!body.empty()) return malformed("bytes after the properties of AUTH");
  return true;
}

}  // namespace rowgate::mqtt
