#pragma once
// CONNECT and CONNACK (sections 3.1, 3.2).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

struct WillView {
  std::string_view topic;
  std::string_view payload;
  Properties properties;
  QoS qos{};
  bool retain = false;
};

/// Views into the frame.
struct ConnectView {
  Version version = Version::v311;
  bool clean_start = true;       // Clean Session in 3.1.1
  std::uint16_t keep_alive = 0;  // seconds; 0: none
  std::string_view client_id;    // may be empty: the server assigns one
  std::optional<WillView> will;
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  Properties properties;
};

/// Checks all of section 3.1, the reserved flag, the will flags and the UTF-8 included. Error code
/// unsupported_protocol_version for anything but "MQTT" with level 4 or 5 and "MQIsdp" with level 3
/// (then the answer is a CONNACK in the form of the version asked for when that is knowable). Error
/// code client_identifier_not_valid: a 3.1.1 empty client id without Clean Session [MQTT-3.1.3-8];
/// in 3.1, which has no empty ones, an id that is not of 1 to 23 characters.
///
/// 3.1 further disregards what 3.1.1 refuses: the reserved flag, will QoS and will retain without a
/// will; and a user name or password whose flag is set may be missing at the end of the packet.
Decoded<ConnectView> decode_connect(const Frame& frame);

/// The version a CONNECT frame asks for, so that even a refusal is in the right form: v31 for
/// "MQIsdp" with level 3; v5 if another name's level byte can be read and is >= 5 without the
/// bridge bit 0x80; else v311.
Version peek_version(const Frame& frame) noexcept;

struct Connack {
  bool session_present = false;
  ReasonCode code = ReasonCode::success;
  Properties properties{};             // 5.0 only
  std::string_view user_properties{};  // 5.0 only; wire bytes
};
/// 3.1 has no Session Present: the byte stays 0. Reason string and user properties are left out
/// where they would make it larger than `maximum_packet_size`, the client's [MQTT-3.2.2-19, -20].
void encode_connack(std::string& out, Version version, const Connack& connack,
                    std::uint32_t maximum_packet_size = 0xFFFFFFFF);

}  // namespace rowgate::mqtt
