#include "gateway/mqtt/publish.hpp"

#include "gateway/mqtt/property_walk.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

constexpr Error cut_off = malformed("PUBLISH is cut off");

// Checks the property block (without its length) and finds the topic alias in it.
Decoded<std::uint16_t> check_block(std::string_view block) noexcept {
  PropertyWalk walk(block, PropertySet::publish);
  RawProperty property;
  std::uint16_t alias = 0;
  while (walk.next(property)) {
    if (property.id == PropertyId::subscription_identifier) {
      return protocol_error("subscription identifier from a client [MQTT-3.3.4-6]");
    }
    if (property.id == PropertyId::topic_alias) alias = static_cast<std::uint16_t>(property.number);
  }
  if (walk.failed()) return walk.error();
  return alias;
}

// Takes the property length and block off `body`.
Decoded<bool> take_properties(std::string_view& body, PublishView& view) noexcept {
  std::uint32_t size = 0;
  if (!take_varint(body, size)) return malformed("property length is missing or ill-formed");
  if (size > body.size()) return malformed("properties are cut off");
  view.properties = body.substr(0, size);
  body.remove_prefix(size);
  if (size == 0) return true;
  const auto alias = check_block(view.properties);
  if (!alias) return alias.error();
  view.topic_alias = *alias;
  return true;
}

Error topic_fault(std::string_view topic) noexcept {
  if (classify_text(topic) == TextClass::ill_formed) {
    return malformed("topic name is not UTF-8 without U+0000 [MQTT-3.3.2-1]");
  }
  return {ReasonCode::topic_name_invalid, "topic name holds a wildcard [MQTT-3.3.2-2]"};
}

}  // namespace

Decoded<PublishView> decode_publish(const Frame& frame, Version version) noexcept {
  PublishView view;
  const unsigned qos = frame.flags >> 1 & 3U;
  view.retain = (frame.flags & 1) != 0;
  view.dup = (frame.flags & 8) != 0;
  view.qos = static_cast<QoS>(qos);
  if (qos == 3) return malformed("PUBLISH with QoS 3 [MQTT-3.3.1-4]");
  if (qos == 0 && view.dup) {
    if (version != Version::v31) return malformed("DUP set at QoS 0 [MQTT-3.3.1-2]");
    view.dup = false;
  }

  std::string_view body = frame.body;
  const std::size_t id_size = qos == 0 ? 0 : 2;
  if (body.size() < 2) return cut_off;
  const std::size_t topic_size = load_be<std::uint16_t>(body.data());
  if (body.size() < 2 + topic_size + id_size) return cut_off;
  view.topic = body.substr(2, topic_size);
  if (classify_text(view.topic) != TextClass::plain) return topic_fault(view.topic);
  if (id_size != 0) {
    view.packet_id = load_be<PacketId>(body.data() + 2 + topic_size);
    if (view.packet_id == 0) return malformed("packet identifier 0 [MQTT-2.2.1-3]");
  }
  body.remove_prefix(2 + topic_size + id_size);

  if (version == Version::v5) {
    if (const auto taken = take_properties(body, view); !taken) return taken.error();
  }
  if (topic_size == 0 && view.topic_alias == 0) {
    return version == Version::v5
               ? protocol_error("empty topic name without a topic alias (section 3.3.2.1)")
               : malformed("empty topic name [MQTT-4.7.3-1]");
  }
  view.payload = body;
  return view;
}

namespace {

constexpr std::size_t alias_size = 3;  // identifier and value

std::size_t block_size(const OutgoingPublish& publish) noexcept {
  return publish.properties.size() + (publish.topic_alias == 0 ? 0 : alias_size);
}

std::size_t remaining_length(Version version, const OutgoingPublish& publish) noexcept {
  std::size_t size = 2 + publish.topic.size() + publish.payload.size();
  if (publish.qos != QoS::at_most_once) size += 2;
  if (version == Version::v5) {
    const std::size_t block = block_size(publish);
    size += varint_size(static_cast<std::uint32_t>(block)) + block;
  }
  return size;
}

}  // namespace

void encode_publish(std::string& out, Version version, const OutgoingPublish& publish) {
  const unsigned flags = (publish.dup ? 8U : 0U) | static_cast<unsigned>(publish.qos) << 1 |
                         (publish.retain ? 1U : 0U);
  append_fixed_header(out, PacketType::publish, flags, remaining_length(version, publish));
  append_binary(out, publish.topic);
  if (publish.qos != QoS::at_most_once) Writer(out).be(publish.packet_id);
  if (version == Version::v5) {
    append_varint(out, static_cast<std::uint32_t>(block_size(publish)));
    if (publish.topic_alias != 0) append_topic_alias(out, publish.topic_alias);
    out.append(publish.properties);
  }
  out.append(publish.payload);
}

std::size_t publish_size(Version version, const OutgoingPublish& publish) noexcept {
  const std::size_t remaining = remaining_length(version, publish);
  return 1 + varint_size(static_cast<std::uint32_t>(remaining)) + remaining;
}

bool is_topic_name(std::string_view topic) noexcept {
  return !topic.empty() && classify_text(topic) == TextClass::plain;
}

bool is_topic_filter(std::string_view filter) noexcept {
  if (filter.empty()) return false;
  const TextClass found = classify_text(filter);
  if (found != TextClass::has_wildcard) return found == TextClass::plain;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '+' && filter[i] != '#') continue;
    const bool last = i + 1 == filter.size();
    if (i > 0 && filter[i - 1] != '/') return false;
    if (filter[i] == '#' ? !last : !last && filter[i + 1] != '/') return false;
  }
  return true;
}

std::optional<SharedFilter> shared_filter(std::string_view filter) noexcept {
  if (!filter.starts_with(share_prefix)) return std::nullopt;
  const std::string_view rest = filter.substr(share_prefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  const SharedFilter shared{rest.substr(0, slash), rest.substr(slash + 1)};
  const bool valid =
      classify_text(shared.group) == TextClass::plain && is_topic_filter(shared.filter);
  return valid ? std::optional(shared) : std::nullopt;
}

}  // namespace rowgate::mqtt
