#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

std::string_view to_string(PacketType type) noexcept {
  switch (type) {
    case PacketType::connect:
      return "CONNECT";
    case PacketType::connack:
      return "CONNACK";
    case PacketType::publish:
      return "PUBLISH";
    case PacketType::puback:
      return "PUBACK";
    case PacketType::pubrec:
      return "PUBREC";
    case PacketType::pubrel:
      return "PUBREL";
    case PacketType::pubcomp:
      return "PUBCOMP";
    case PacketType::subscribe:
      return "SUBSCRIBE";
    case PacketType::suback:
      return "SUBACK";
    case PacketType::unsubscribe:
      return "UNSUBSCRIBE";
    case PacketType::unsuback:
      return "UNSUBACK";
    case PacketType::pingreq:
      return "PINGREQ";
    case PacketType::pingresp:
      return "PINGRESP";
    case PacketType::disconnect:
      return "DISCONNECT";
    case PacketType::auth:
      return "AUTH";
  }
  return "reserved";
}

std::uint8_t connack_code_v311(ReasonCode code) noexcept {
  enum : std::uint8_t { accepted, bad_version, bad_client_id, unavailable, bad_password, refused };
  switch (code) {
    case ReasonCode::success:
      return accepted;
    case ReasonCode::unsupported_protocol_version:
      return bad_version;
    case ReasonCode::client_identifier_not_valid:
      return bad_client_id;
    case ReasonCode::bad_user_name_or_password:
      return bad_password;
    case ReasonCode::not_authorized:
    case ReasonCode::banned:
    case ReasonCode::bad_authentication_method:
    case ReasonCode::topic_name_invalid:
    case ReasonCode::retain_not_supported:
    case ReasonCode::qos_not_supported:
      return refused;
    default:
      return unavailable;
  }
}

}  // namespace rowgate::mqtt
