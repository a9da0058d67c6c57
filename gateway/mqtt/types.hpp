#pragma once
// The words of MQTT 3.1, 3.1.1 and 5.0: packet types, QoS, reason codes, decode errors.
#include <cstdint>
#include <string_view>

#include "schema/base/result.hpp"

namespace rowgate::mqtt {

/// Protocol Version byte of CONNECT [MQTT-3.1.2-2]. MQTT 3.1 reads and writes packets as 3.1.1
/// does, but where a decoder says otherwise: compare with v5, unless the difference is meant.
enum class Version : std::uint8_t { v31 = 3, v311 = 4, v5 = 5 };

enum class PacketType : std::uint8_t {  // section 2.1.2
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth
};
std::string_view to_string(PacketType type) noexcept;

enum class QoS : std::uint8_t { at_most_once, at_least_once, exactly_once };
using PacketId = std::uint16_t;  // 0 is none [MQTT-2.2.1-3]

/// MQTT 5.0 section 2.4. In 3.1 and 3.1.1 only CONNACK and SUBACK carry a code; see
/// connack_code_v311().
enum class ReasonCode : std::uint8_t {
  success = 0x00,  // also normal disconnection, granted QoS 0
  granted_qos1 = 0x01,
  granted_qos2 = 0x02,
  disconnect_with_will = 0x04,
  no_matching_subscribers = 0x10,
  no_subscription_existed = 0x11,
  continue_authentication = 0x18,
  re_authenticate = 0x19,
  unspecified_error = 0x80,
  malformed_packet = 0x81,
  protocol_error = 0x82,
  implementation_specific_error = 0x83,
  unsupported_protocol_version = 0x84,
  client_identifier_not_valid = 0x85,
  bad_user_name_or_password = 0x86,
  not_authorized = 0x87,
  server_unavailable = 0x88,
  server_busy = 0x89,
  banned = 0x8A,
  server_shutting_down = 0x8B,
  bad_authentication_method = 0x8C,
  keep_alive_timeout = 0x8D,
  session_taken_over = 0x8E,
  topic_filter_invalid = 0x8F,
  topic_name_invalid = 0x90,
  packet_identifier_in_use = 0x91,
  packet_identifier_not_found = 0x92,
  receive_maximum_exceeded = 0x93,
  topic_alias_invalid = 0x94,
  packet_too_large = 0x95,
  message_rate_too_high = 0x96,
  quota_exceeded = 0x97,
  administrative_action = 0x98,
  payload_format_invalid = 0x99,
  retain_not_supported = 0x9A,
  qos_not_supported = 0x9B,
  use_another_server = 0x9C,
  server_moved = 0x9D,
  shared_subscriptions_not_supported = 0x9E,
  connection_rate_exceeded = 0x9F,
  maximum_connect_time = 0xA0,
  subscription_identifiers_not_supported = 0xA1,
  wildcard_subscriptions_not_supported = 0xA2,
};

/// Why a packet was refused: the code a 5.0 peer is told, and a phrase for the log naming the
/// statement it breaks ("topic name holds a wildcard [MQTT-3.3.2-2]"). A string literal.
struct Error {
  ReasonCode code = ReasonCode::malformed_packet;
  const char* reason = "";
};

template <class T>
using Decoded = Result<T, Error>;

/// The CONNACK return code of 3.1 and 3.1.1 (section 3.2.2.3) that comes nearest.
std::uint8_t connack_code_v311(ReasonCode code) noexcept;

}  // namespace rowgate::mqtt
