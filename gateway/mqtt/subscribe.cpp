#include "gateway/mqtt/subscribe.hpp"

#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

constexpr Error no_packet_id = malformed("packet identifier missing or 0 [MQTT-2.2.1-3]");
constexpr Error cut_filter = malformed("topic filter is cut off");
constexpr Error bad_filter = malformed("topic filter is not UTF-8 without U+0000 [MQTT-1.5.4-1]");

std::optional<Error> filter_fault(std::string_view filter, Version version) noexcept {
  if (!is_text(filter)) return bad_filter;
  if (!is_topic_filter(filter)) {
    return Error{ReasonCode::topic_filter_invalid,
                 "topic filter is empty, or a wildcard does not fill its level or ends the filter "
                 "too early [MQTT-4.7.1-1, -2, MQTT-4.7.3-1]"};
  }
  if (version == Version::v5 && filter.starts_with(share_prefix) && !shared_filter(filter)) {
    return Error{ReasonCode::topic_filter_invalid,
                 "shared subscription without a name or a filter [MQTT-4.8.2-1, -2]"};
  }
  return std::nullopt;
}

Decoded<SubscriptionRequest> decode_request(Reader& reader, Version version) {
  SubscriptionRequest request;
  request.filter = read_binary(reader);
  const std::uint8_t options = reader.u8();
  if (reader.failed()) return malformed("topic filter or its options are cut off");
  if (const auto fault = filter_fault(request.filter, version)) return *fault;

  const unsigned reserved = version == Version::v5 ? 0xC0 : 0xFC;
  if ((options & reserved) != 0)
    return malformed("reserved subscription options set [MQTT-3.8.3-5]");
  if ((options & 3) == 3) return protocol_error("subscription asks for QoS 3 (section 3.8.3.1)");
  request.qos = static_cast<QoS>(options & 3);
  request.no_local = (options & 4) != 0;
  request.retain_as_published = (options & 8) != 0;
  request.retain_handling = static_cast<std::uint8_t>(options >> 4 & 3);
  if (request.retain_handling == 3) {
    return protocol_error("retain handling 3 (section 3.8.3.1)");
  }
  if (request.no_local && request.filter.starts_with(share_prefix)) {
    return protocol_error("No Local on a shared subscription [MQTT-3.8.3-4]");
  }
  return request;
}

void encode_codes(std::string& out, Version version, PacketType type, PacketId id,
                  std::span<const ReasonCode> codes, const ProblemInformation& problem) {
  std::string block;
  if (version == Version::v5) append_with_problem(block, {}, 2 + codes.size(), problem);
  append_fixed_header(out, type, 0, 2 + block.size() + codes.size());
  Writer writer(out);
  writer.be(id);
  writer.bytes(block);
  for (const ReasonCode code : codes) {
    const bool plain_failure = version != Version::v5 && code >= ReasonCode::unspecified_error;
    writer.u8(static_cast<std::uint8_t>(plain_failure ? ReasonCode::unspecified_error : code));
  }
}

// Packet identifier and, in 5.0, the properties: how SUBSCRIBE and UNSUBSCRIBE both begin. Leaves
// what follows in `body`.
Decoded<Properties> decode_head(const Frame& frame, std::string_view& body, PacketId& id,
                                Version version, PropertySet set) {
  if (has_foreign_dup(frame, version)) return foreign_dup;
  if (body.size() < 2) return no_packet_id;
  id = load_be<PacketId>(body.data());
  if (id == 0) return no_packet_id;
  body.remove_prefix(2);
  if (version != Version::v5) return Properties{};
  return decode_properties(body, set);
}

}  // namespace

Decoded<SubscribeView> decode_subscribe(const Frame& frame, Version version) {
  SubscribeView view;
  std::string_view body = frame.body;
  const auto properties = decode_head(frame, body, view.packet_id, version, PropertySet::subscribe);
  if (!properties) return properties.error();
  view.subscription_identifier = properties->subscription_identifier;
  if (body.empty()) return protocol_error("SUBSCRIBE without a topic filter [MQTT-3.8.3-2]");

  Reader reader(body);
  while (reader.remaining() > 0) {
    const auto request = decode_request(reader, version);
    if (!request) return request.error();
    view.requests.push_back(*request);
  }
  return view;
}

Decoded<UnsubscribeView> decode_unsubscribe(const Frame& frame, Version version) {
  UnsubscribeView view;
  std::string_view body = frame.body;
  const auto properties =
      decode_head(frame, body, view.packet_id, version, PropertySet::unsubscribe);
  if (!properties) return properties.error();
  if (body.empty()) return protocol_error("UNSUBSCRIBE without a topic filter [MQTT-3.10.3-2]");

  Reader reader(body);
  while (reader.remaining() > 0) {
    const std::string_view filter = read_binary(reader);
    if (reader.failed()) return cut_filter;
    if (const auto fault = filter_fault(filter, version)) return *fault;
    view.filters.push_back(filter);
  }
  return view;
}

void encode_suback(std::string& out, Version version, PacketId id,
                   std::span<const ReasonCode> codes, const ProblemInformation& problem) {
  encode_codes(out, version, PacketType::suback, id, codes, problem);
}

void encode_unsuback(std::string& out, Version version, PacketId id,
                     std::span<const ReasonCode> codes, const ProblemInformation& problem) {
  if (version != Version::v5) codes = {};
  encode_codes(out, version, PacketType::unsuback, id, codes, problem);
}

}  // namespace rowgate::mqtt
