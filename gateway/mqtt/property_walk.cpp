#include "gateway/mqtt/property_walk.hpp"

#include <array>

#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

enum class Kind : std::uint8_t { none, byte, two_bytes, four_bytes, varint, binary, text, pair };

struct Rule {
  Kind kind = Kind::none;
  std::uint16_t sets = 0;  // bit n: may stand in PropertySet n
};

template <class... Set>
constexpr std::uint16_t in(Set... sets) {
  return static_cast<std::uint16_t>(((1U << static_cast<unsigned>(sets)) | ...));
}

// Table 2-4.
constexpr auto rules = [] {
  using enum PropertySet;
  using enum PropertyId;
  std::array<Rule, 64> table{};
  const auto rule = [&table](PropertyId id, Kind kind, std::uint16_t sets) {
    table[static_cast<std::size_t>(id)] = {kind, sets};
  };
  rule(payload_format_indicator, Kind::byte, in(publish, will));
  rule(message_expiry_interval, Kind::four_bytes, in(publish, will));
  rule(content_type, Kind::text, in(publish, will));
  rule(response_topic, Kind::text, in(publish, will));
  rule(correlation_data, Kind::binary, in(publish, will));
  rule(subscription_identifier, Kind::varint, in(publish, PropertySet::subscribe));
  rule(session_expiry_interval, Kind::four_bytes, in(connect, connack, disconnect));
  rule(assigned_client_identifier, Kind::text, in(connack));
  rule(server_keep_alive, Kind::two_bytes, in(connack));
  rule(authentication_method, Kind::text, in(connect, connack, auth));
  rule(authentication_data, Kind::binary, in(connect, connack, auth));
  rule(request_problem_information, Kind::byte, in(connect));
  rule(will_delay_interval, Kind::four_bytes, in(will));
  rule(request_response_information, Kind::byte, in(connect));
  rule(response_information, Kind::text, in(connack));
  rule(server_reference, Kind::text, in(connack, disconnect));
  rule(reason_string, Kind::text,
       in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth));
  rule(receive_maximum, Kind::two_bytes, in(connect, connack));
  rule(topic_alias_maximum, Kind::two_bytes, in(connect, connack));
  rule(topic_alias, Kind::two_bytes, in(publish));
  rule(maximum_qos, Kind::byte, in(connack));
  rule(retain_available, Kind::byte, in(connack));
  rule(user_property, Kind::pair, 0xFFFF);
  rule(maximum_packet_size, Kind::four_bytes, in(connect, connack));
  rule(wildcard_subscription_available, Kind::byte, in(connack));
  rule(subscription_identifier_available, Kind::byte, in(connack));
  rule(shared_subscription_available, Kind::byte, in(connack));
  return table;
}();

constexpr const char* cut_off = "property is cut off";

bool take_number(std::string_view& block, std::size_t size, std::uint32_t& number) noexcept {
  if (block.size() < size) return false;
  number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | static_cast<std::uint8_t>(block[i]);
  block.remove_prefix(size);
  return true;
}

bool take_binary(std::string_view& block, std::string_view& bytes) noexcept {
  std::uint32_t size = 0;
  if (!take_number(block, 2, size) || block.size() < size) return false;
  bytes = block.substr(0, size);
  block.remove_prefix(size);
  return true;
}

}  // namespace

const char* take_property(std::string_view& block, RawProperty& property) noexcept {
  // Identifiers are Variable Byte Integers, of which all that exist fit one byte.
  const auto id = block.empty() ? 0U : static_cast<unsigned char>(block[0]);
  const Kind kind = id < rules.size() ? rules[id].kind : Kind::none;
  property.id = static_cast<PropertyId>(id);
  if (!block.empty()) block.remove_prefix(1);
  switch (kind) {
    case Kind::none:
      return "no such property (section 2.2.2.2)";
    case Kind::byte:
      return take_number(block, 1, property.number) ? nullptr : cut_off;
    case Kind::two_bytes:
      return take_number(block, 2, property.number) ? nullptr : cut_off;
    case Kind::four_bytes:
      return take_number(block, 4, property.number) ? nullptr : cut_off;
    case Kind::varint:
      return take_varint(block, property.number) ? nullptr
                                                 : "property is no Variable Byte Integer "
                                                   "[MQTT-1.5.5-1]";
    case Kind::binary:
    case Kind::text:
      return take_binary(block, property.bytes) ? nullptr : cut_off;
    case Kind::pair:
      return take_binary(block, property.bytes) && take_binary(block, property.value) ? nullptr
                                                                                      : cut_off;
  }
  return cut_off;
}

bool PropertyWalk::next(RawProperty& property) noexcept {
  if (block_.empty() || failed()) return false;
  if (const char* reason = take_property(block_, property)) {
    error_ = malformed(reason);
  } else {
    error_ = check(property);
  }
  return !failed();
}

Error PropertyWalk::check(const RawProperty& property) noexcept {
  const Rule rule = rules[static_cast<std::size_t>(property.id)];
  if ((rule.sets & in(set_)) == 0) {
    return malformed("property cannot stand in this packet (section 2.2.2.2)");
  }
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(property.id);
  const bool may_repeat =
      property.id == PropertyId::user_property ||
      (property.id == PropertyId::subscription_identifier && set_ == PropertySet::publish);
  if ((seen_ & bit) != 0 && !may_repeat) return protocol_error("property stands twice");
  seen_ |= bit;

  switch (property.id) {
    case PropertyId::user_property:
      if (!is_text(property.bytes) || !is_text(property.value)) {
        return malformed("user property is not UTF-8 without U+0000 [MQTT-1.5.7-1]");
      }
      break;
    case PropertyId::response_topic:
      if (!is_text(property.bytes)) return malformed("response topic is not UTF-8 [MQTT-3.3.2-13]");
      if (!is_topic_name(property.bytes)) {
        return protocol_error("response topic is no topic name [MQTT-3.3.2-14]");
      }
      break;
    case PropertyId::topic_alias:
      if (property.number == 0) {
        return {ReasonCode::topic_alias_invalid, "topic alias 0 [MQTT-3.3.2-8]"};
      }
      break;
    case PropertyId::receive_maximum:
    case PropertyId::maximum_packet_size:
    case PropertyId::subscription_identifier:
      if (property.number == 0) return protocol_error("property is 0 where 0 is not allowed");
      break;
    default:
      if (rule.kind == Kind::byte && property.number > 1) {
        return protocol_error("property is neither 0 nor 1");
      }
      if (rule.kind == Kind::text && !is_text(property.bytes)) {
        return malformed("property is not UTF-8 without U+0000 [MQTT-1.5.4-1]");
      }
      break;
  }
  return {ReasonCode::success, ""};
}

}  // namespace rowgate::mqtt
