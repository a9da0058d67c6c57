#include "gateway/mqtt/properties.hpp"

#include <type_traits>

#include "gateway/mqtt/property_walk.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

// The one list of the members, in the order append_properties writes them.
template <class P, class Visitor>
void for_each_member(P& p, Visitor visit) {
  using enum PropertyId;
  visit(payload_format_indicator, p.payload_format_indicator);
  visit(message_expiry_interval, p.message_expiry_interval);
  visit(content_type, p.content_type);
  visit(response_topic, p.response_topic);
  visit(correlation_data, p.correlation_data);
  visit(subscription_identifier, p.subscription_identifier);
  visit(session_expiry_interval, p.session_expiry_interval);
  visit(assigned_client_identifier, p.assigned_client_identifier);
  visit(server_keep_alive, p.server_keep_alive);
  visit(authentication_method, p.authentication_method);
  visit(authentication_data, p.authentication_data);
  visit(request_problem_information, p.request_problem_information);
  visit(will_delay_interval, p.will_delay_interval);
  visit(request_response_information, p.request_response_information);
  visit(response_information, p.response_information);
  visit(server_reference, p.server_reference);
  visit(reason_string, p.reason_string);
  visit(receive_maximum, p.receive_maximum);
  visit(topic_alias_maximum, p.topic_alias_maximum);
  visit(topic_alias, p.topic_alias);
  visit(maximum_qos, p.maximum_qos);
  visit(retain_available, p.retain_available);
  visit(maximum_packet_size, p.maximum_packet_size);
  visit(wildcard_subscription_available, p.wildcard_subscription_available);
  visit(subscription_identifier_available, p.subscription_identifier_available);
  visit(shared_subscription_available, p.shared_subscription_available);
}

void assign(Properties& properties, const RawProperty& raw) {
  for_each_member(properties, [&raw]<class T>(PropertyId id, std::optional<T>& member) {
    if (id != raw.id || member) return;
    if constexpr (std::is_same_v<T, std::string_view>) {
      member = raw.bytes;
    } else {
      member = static_cast<T>(raw.number);
    }
  });
}

void append_block(std::string& out, const Properties& properties) {
  for_each_member(properties, [&out]<class T>(PropertyId id, const std::optional<T>& member) {
    if (!member) return;
    out.push_back(static_cast<char>(id));
    if constexpr (std::is_same_v<T, std::string_view>) {
      append_binary(out, *member);
    } else if (id == PropertyId::subscription_identifier) {
      append_varint(out, static_cast<std::uint32_t>(*member));
    } else {
      Writer(out).be(*member);
    }
  });
}

// The first property of that identifier in a checked block.
std::optional<RawProperty> find_property(std::string_view wire, PropertyId id) noexcept {
  RawProperty property;
  while (!wire.empty() && take_property(wire, property) == nullptr) {
    if (property.id == id) return property;
  }
  return std::nullopt;
}

std::optional<std::string_view> find_bytes(std::string_view wire, PropertyId id) noexcept {
  const auto found = find_property(wire, id);
  return found ? std::optional(found->bytes) : std::nullopt;
}

}  // namespace

Decoded<Properties> decode_property_block(std::string_view block, PropertySet set) {
  Properties properties;
  properties.wire = block;
  PropertyWalk walk(block, set);
  RawProperty raw;
  while (walk.next(raw)) {
    if (raw.id != PropertyId::user_property) assign(properties, raw);
  }
  if (walk.failed()) return walk.error();
  if (properties.authentication_data && !properties.authentication_method) {
    return protocol_error("authentication data without a method (section 3.1.2.11.10)");
  }
  return properties;
}

Decoded<Properties> decode_properties(std::string_view& body, PropertySet set) {
  std::uint32_t size = 0;
  if (!take_varint(body, size)) return malformed("property length is missing or ill-formed");
  if (size > body.size()) return malformed("properties are cut off");
  const std::string_view block = body.substr(0, size);
  body.remove_prefix(size);
  return decode_property_block(block, set);
}

void append_properties(std::string& out, const Properties& properties,
                       std::string_view user_properties) {
  // The length in front is known last; almost always it takes one byte.
  const std::size_t begin = out.size();
  out.push_back('\0');
  append_block(out, properties);
  out.append(user_properties);
  const auto size = static_cast<std::uint32_t>(out.size() - begin - 1);
  if (size < 128) {
    out[begin] = static_cast<char>(size);
    return;
  }
  std::string length;
  append_varint(length, size);
  out.replace(begin, 1, length);
}

void append_with_problem(std::string& out, Properties properties, std::size_t others,
                         const ProblemInformation& problem) {
  const std::size_t begin = out.size();
  const auto write = [&](std::string_view reason, std::string_view user_properties) {
    out.resize(begin);
    properties.reason_string = reason.empty() ? std::nullopt : std::optional(reason);
    append_properties(out, properties, user_properties);
    const std::size_t remaining = others + out.size() - begin;
    const std::size_t header = 1 + varint_size(static_cast<std::uint32_t>(remaining));
    return header + remaining <= problem.maximum_packet_size;
  };
  if (problem.empty()) {
    write({}, {});
    return;
  }
  if (write(problem.reason_string, problem.user_properties)) return;
  if (write(problem.reason_string, {})) return;
  write({}, {});
}

void append_forwarded(std::string& out, std::string_view publish_wire) {
  RawProperty property;
  while (!publish_wire.empty()) {
    const char* const begin = publish_wire.data();
    if (take_property(publish_wire, property) != nullptr) return;
    switch (property.id) {
      case PropertyId::topic_alias:
      case PropertyId::subscription_identifier:
      case PropertyId::message_expiry_interval:
        break;
      default:
        out.append(begin, publish_wire.data());
        break;
    }
  }
}

void append_will_publish(std::string& out, std::string_view will_wire) {
  RawProperty property;
  while (!will_wire.empty()) {
    const char* const begin = will_wire.data();
    if (take_property(will_wire, property) != nullptr) return;
    if (property.id != PropertyId::will_delay_interval) out.append(begin, will_wire.data());
  }
}

std::optional<std::uint32_t> message_expiry_interval(std::string_view publish_wire) noexcept {
  const auto found = find_property(publish_wire, PropertyId::message_expiry_interval);
  return found ? std::optional(found->number) : std::nullopt;
}

std::optional<std::string_view> response_topic(std::string_view wire) noexcept {
  return find_bytes(wire, PropertyId::response_topic);
}

std::optional<std::string_view> correlation_data(std::string_view wire) noexcept {
  return find_bytes(wire, PropertyId::correlation_data);
}

std::optional<std::string_view> content_type(std::string_view wire) noexcept {
  return find_bytes(wire, PropertyId::content_type);
}

std::optional<std::string_view> user_property(std::string_view wire,
                                              std::string_view name) noexcept {
  RawProperty property;
  while (!wire.empty() && take_property(wire, property) == nullptr) {
    if (property.id == PropertyId::user_property && property.bytes == name) return property.value;
  }
  return std::nullopt;
}

bool payload_is_as_indicated(std::string_view wire, std::string_view payload) noexcept {
  const auto found = find_property(wire, PropertyId::payload_format_indicator);
  return !found || found->number == 0 || is_utf8(payload);
}

void append_message_expiry_interval(std::string& out, std::uint32_t seconds) {
  out.push_back(static_cast<char>(PropertyId::message_expiry_interval));
  Writer(out).be(seconds);
}

void append_subscription_identifier(std::string& out, std::uint32_t identifier) {
  out.push_back(static_cast<char>(PropertyId::subscription_identifier));
  append_varint(out, identifier);
}

void append_topic_alias(std::string& out, std::uint16_t alias) {
  out.push_back(static_cast<char>(PropertyId::topic_alias));
  Writer(out).be(alias);
}

}  // namespace rowgate::mqtt
