#pragma once
// MQTT 5.0 properties (section 2.2.2). Decoding checks that each property may stand in its packet,
// stands once, is in range and, where it is text, well-formed UTF-8 without U+0000; one flat struct
// serves all packets (absent = nullopt or empty). User properties stay as wire bytes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

/// Table 2-4.
enum class PropertyId : std::uint8_t {
  payload_format_indicator = 0x01,
  message_expiry_interval = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0B,
  session_expiry_interval = 0x11,
  assigned_client_identifier = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  request_problem_information = 0x17,
  will_delay_interval = 0x18,
  request_response_information = 0x19,
  response_information = 0x1A,
  server_reference = 0x1C,
  reason_string = 0x1F,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_subscription_available = 0x28,
  subscription_identifier_available = 0x29,
  shared_subscription_available = 0x2A,
};

struct Properties {
  std::optional<std::uint8_t> payload_format_indicator;
  std::optional<std::uint32_t> message_expiry_interval;  // seconds
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> response_topic;
  std::optional<std::string_view> correlation_data;
  std::optional<std::uint32_t> subscription_identifier;
  std::optional<std::uint32_t> session_expiry_interval;  // seconds; 0xFFFFFFFF: never
  std::optional<std::string_view> assigned_client_identifier;
  std::optional<std::uint16_t> server_keep_alive;  // seconds
  std::optional<std::string_view> authentication_method;
  std::optional<std::string_view> authentication_data;
  std::optional<std::uint8_t> request_problem_information;
  std::optional<std::uint32_t> will_delay_interval;  // seconds
  std::optional<std::uint8_t> request_response_information;
  std::optional<std::string_view> response_information;
  std::optional<std::string_view> server_reference;
  std::optional<std::string_view> reason_string;
  std::optional<std::uint16_t> receive_maximum;
  std::optional<std::uint16_t> topic_alias_maximum;
  std::optional<std::uint16_t> topic_alias;
  std::optional<std::uint8_t> maximum_qos;
  std::optional<std::uint8_t> retain_available;
  std::optional<std::uint32_t> maximum_packet_size;
  std::optional<std::uint8_t> wildcard_subscription_available;
  std::optional<std::uint8_t> subscription_identifier_available;
  std::optional<std::uint8_t> shared_subscription_available;
  std::string_view wire;  // the whole property block as received, without its length
};

/// Where a property block stands; will properties are a set of their own.
enum class PropertySet : std::uint8_t {
  connect,
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
  disconnect,
  auth,
  will
};

/// Reads the length and the block from the front of `body` and removes both from it.
Decoded<Properties> decode_properties(std::string_view& body, PropertySet set);

/// The same for a block without its length, such as PublishView::properties. In a PUBLISH the
/// subscription identifier may repeat; the first is kept.
Decoded<Properties> decode_property_block(std::string_view block, PropertySet set);

/// Appends length and block: every property that is set, then `user_properties` (wire bytes).
void append_properties(std::string& out, const Properties& properties,
                       std::string_view user_properties = {});

/// What an answer of 5.0 may say beyond its reason code. `requested`: Request Problem Information
/// of the CONNECT; where the client said 0, only CONNACK and DISCONNECT carry any [MQTT-3.1.2-29].
/// Whatever would make the packet larger than the client's Maximum Packet Size is left out, the
/// user properties first [MQTT-3.4.2-2, -3] and the like.
struct ProblemInformation {
  std::string_view reason_string{};
  std::string_view user_properties{};  // wire bytes
  bool requested = true;
  std::uint32_t maximum_packet_size = 0xFFFFFFFF;

  bool empty() const noexcept {
    return !requested || (reason_string.empty() && user_properties.empty());
  }
};

/// Appends length and block of `properties` and of `problem` (which overrides the reason string),
/// for a packet whose body has `others` bytes beside them.
void append_with_problem(std::string& out, Properties properties, std::size_t others,
                         const ProblemInformation& problem);

/// The properties of a PUBLISH that a server forwards unchanged (payload format indicator, content
/// type, response topic, correlation data, user properties; [MQTT-3.3.2-17] and others): appends
/// them from wire form `publish_wire` (checked) to `out`, leaving out topic alias, subscription
/// identifier and message expiry.
void append_forwarded(std::string& out, std::string_view publish_wire);

/// The properties of the PUBLISH that a Will becomes: all of a checked will block but the Will
/// Delay Interval (section 3.1.3.2).
void append_will_publish(std::string& out, std::string_view will_wire);

/// Seconds, of a checked PUBLISH block; nullopt: it never expires. A server sends it on less the
/// time the message waited [MQTT-3.3.2-6].
std::optional<std::uint32_t> message_expiry_interval(std::string_view publish_wire) noexcept;

/// Of a checked PUBLISH or will block: views into it, nullopt where there is none.
std::optional<std::string_view> response_topic(std::string_view wire) noexcept;
std::optional<std::string_view> correlation_data(std::string_view wire) noexcept;
std::optional<std::string_view> content_type(std::string_view wire) noexcept;
/// The value of the first user property of that name.
std::optional<std::string_view> user_property(std::string_view wire,
                                              std::string_view name) noexcept;

/// Of a checked PUBLISH or will block: false if it says that the payload is text (Payload Format
/// Indicator 1) and the payload is not UTF-8: payload_format_invalid (section 3.3.2.3.2).
bool payload_is_as_indicated(std::string_view wire, std::string_view payload) noexcept;

/// Single properties a server puts into the PUBLISH it sends, appended without a length.
void append_message_expiry_interval(std::string& out, std::uint32_t seconds);
void append_subscription_identifier(std::string& out, std::uint32_t identifier);
/// 1 to the Topic Alias Maximum of the client's CONNECT [MQTT-3.3.2-8, -11].
void append_topic_alias(std::string& out, std::uint16_t alias);

}  // namespace rowgate::mqtt
