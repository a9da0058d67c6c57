#pragma once
// Decodes a frame of any type and checks what must hold whatever the bytes are. Aborts when it does
// not: shared by the mutation test and the fuzz targets.
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/connect.hpp"
#include "gateway/mqtt/control.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/subscribe.hpp"

namespace rowgate::mqtt::test {

inline void must(bool holds) {
  if (!holds) std::abort();
}

/// A view is empty or lies inside the frame's body.
inline void must_be_inside(std::string_view view, const Frame& frame) {
  must(view.empty() || (view.data() >= frame.body.data() &&
                        view.data() + view.size() <= frame.body.data() + frame.body.size()));
}

template <class T>
bool refused(const Decoded<T>& decoded) {
  if (decoded) return false;
  must(decoded.error().code >= ReasonCode::unspecified_error);
  must(decoded.error().reason[0] != '\0');
  return true;
}

inline void check_publish(const Frame& frame, Version version) {
  const auto decoded = decode_publish(frame, version);
  if (refused(decoded)) return;
  const PublishView& view = *decoded;
  must_be_inside(view.topic, frame);
  must_be_inside(view.payload, frame);
  must_be_inside(view.properties, frame);
  must(view.topic.empty() ? view.topic_alias != 0 : is_topic_name(view.topic));
  must((view.qos == QoS::at_most_once) == (view.packet_id == 0));
  must(decode_property_block(view.properties, PropertySet::publish).has_value());

  // What was decoded encodes to the same body (the Remaining Length may have been padded).
  const OutgoingPublish again{view.topic, view.payload, view.properties, view.packet_id,
                              view.qos,   view.retain,  view.dup};
  std::string bytes;
  encode_publish(bytes, version, again);
  must(bytes.size() == publish_size(version, again));
  must(bytes.ends_with(view.payload));
  const FrameResult result = next_frame(bytes, bytes.size());
  must(result.status == FrameResult::Status::frame && result.frame.body == frame.body);

  for (const auto& found : {response_topic(view.properties), correlation_data(view.properties),
                            content_type(view.properties), user_property(view.properties, "k")}) {
    if (found) must_be_inside(*found, frame);
  }
  payload_is_as_indicated(view);

  std::string forwarded;
  append_forwarded(forwarded, view.properties);
  must(forwarded.size() <= view.properties.size());
  must(decode_property_block(forwarded, PropertySet::publish).has_value());
}

inline void check_connect(const Frame& frame) {
  const auto decoded = decode_connect(frame);
  if (refused(decoded)) return;
  must(peek_version(frame) == decoded->version);
  must_be_inside(decoded->client_id, frame);
  must_be_inside(decoded->properties.wire, frame);
  if (decoded->user_name) must_be_inside(*decoded->user_name, frame);
  if (decoded->password) must_be_inside(*decoded->password, frame);
  if (!decoded->will) return;
  must(is_topic_name(decoded->will->topic));
  must_be_inside(decoded->will->payload, frame);
  must_be_inside(decoded->will->properties.wire, frame);
}

inline void check_subscribe(const Frame& frame, Version version) {
  const auto decoded = decode_subscribe(frame, version);
  if (refused(decoded)) return;
  must(decoded->packet_id != 0 && !decoded->requests.empty());
  must(decoded->subscription_identifier != 0U);
  for (const SubscriptionRequest& request : decoded->requests) {
    must_be_inside(request.filter, frame);
    must(request.qos <= QoS::exactly_once && request.retain_handling <= 2);
    if (const auto shared = shared_filter(request.filter)) {
      must(!shared->group.empty() && is_topic_filter(shared->filter));
      must(is_topic_filter(request.filter));
    }
  }
}

inline void check_unsubscribe(const Frame& frame, Version version) {
  const auto decoded = decode_unsubscribe(frame, version);
  if (refused(decoded)) return;
  must(decoded->packet_id != 0 && !decoded->filters.empty());
  for (const std::string_view filter : decoded->filters) must_be_inside(filter, frame);
}

inline void decode_any(const Frame& frame, Version version) {
  switch (frame.type) {
    case PacketType::connect:
      return check_connect(frame);
    case PacketType::publish:
      return check_publish(frame, version);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: {
      const auto decoded = decode_ack(frame, version);
      if (!refused(decoded)) must(decoded->packet_id != 0);
      return;
    }
    case PacketType::subscribe:
      return check_subscribe(frame, version);
    case PacketType::unsubscribe:
      return check_unsubscribe(frame, version);
    case PacketType::pingreq:
      refused(decode_pingreq(frame));
      return;
    case PacketType::disconnect:
      refused(decode_disconnect(frame, version));
      return;
    case PacketType::auth:
      refused(decode_auth(frame));
      return;
    // What only a server sends is read for its properties, which its decoding has in common.
    case PacketType::connack:
    case PacketType::suback:
    case PacketType::unsuback:
    case PacketType::pingresp:
      for (unsigned set = 0; set <= static_cast<unsigned>(PropertySet::will); ++set) {
        std::string_view body = frame.body;
        refused(decode_properties(body, static_cast<PropertySet>(set)));
        must_be_inside(body, frame);
      }
      return;
  }
  std::abort();  // next_frame lets no other type through
}

}  // namespace rowgate::mqtt::test
