// What the client gets: the dispatcher's copies, and both hand-shakes of section 4.3, sender's
// side. The dispatcher chooses the packet ids and remembers them; here is what is outstanding on
// this connection.
#include <algorithm>

#include "gateway/broker/session.hpp"
#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::ReasonCode;

// A client may ask for more aliases than it is worth to remember.
constexpr std::uint16_t max_outgoing_aliases = 64;
constexpr std::size_t max_aliased_topic = 1024;  // bytes

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

/// What is left of the Message Expiry Interval [MQTT-3.3.2-6]; one second where delivery had begun
/// before it was over.
std::uint32_t seconds_left(Timestamp expires, Timestamp now) noexcept {
  const std::int64_t left = (expires.micros - now.micros + 999'999) / 1'000'000;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, 0xFFFFFFFF));
}

}  // namespace

void Session::deliver(Delivery&& delivery, Moment now, std::string& out) {
  if (state_ != State::connected) return;
  if (!delivery.message) {
    outstanding_[delivery.packet_id] = Await::pubcomp;
    mqtt::encode_ack(out, version_, PacketType::pubrel, {delivery.packet_id});
    return;
  }
  const LiveMessage& message = *delivery.message;
  const bool promised = delivery.qos != QoS::at_most_once;
  if (!promised && message.expires && *message.expires <= now.wall) {  // [MQTT-3.3.2-5]
    return count(broker_.counters.undelivered);
  }
  std::string properties;
  mqtt::OutgoingPublish publish{.topic = message.topic,
                                .payload = message.payload,
                                .packet_id = delivery.packet_id,
                                .qos = delivery.qos,
                                .retain = delivery.retain,
                                .dup = delivery.dup};
  bool new_alias = false;
  if (version_ == mqtt::Version::v5) {
    properties = message.properties;
    for (const std::uint32_t id : delivery.identifiers) {
      mqtt::append_subscription_identifier(properties, id);
    }
    if (message.expires) {
      mqtt::append_message_expiry_interval(properties, seconds_left(*message.expires, now.wall));
    }
    publish.properties = properties;
    // Not at QoS 2: MQTT.js (5.x) has forgotten such a message's topic when the PUBREL comes.
    if (delivery.qos != QoS::exactly_once) {
      publish.topic_alias = outgoing_alias(message.topic, new_alias);
    }
    if (publish.topic_alias != 0 && !new_alias) publish.topic = {};
    if (new_alias && mqtt::publish_size(version_, publish) > maximum_packet_size_) {
      publish.topic_alias = 0;  // it would be the alias that makes it too large
      new_alias = false;
    }
  }
  if (mqtt::publish_size(version_, publish) > maximum_packet_size_) {
    count(broker_.counters.undelivered);
    // The dispatcher has checked this, too: but a packet id must not stay taken for nothing.
    if (promised) {
      (void)broker_.tell_acknowledged(*session_, event::Done{client_id_, delivery.packet_id});
    }
    return;
  }
  if (new_alias) outgoing_aliases_.emplace(message.topic, publish.topic_alias);
  if (promised) {
    outstanding_[delivery.packet_id] =
        delivery.qos == QoS::at_least_once ? Await::puback : Await::pubrec;
  }
  mqtt::encode_publish(out, version_, publish);
  broker_.ledger.passed(self_.thread, Traffic::messages_sent);
  broker_.ledger.passed(self_.thread, Traffic::publishes_sent);
  broker_.ledger.passed(self_.thread, Traffic::publish_bytes_sent, publish.payload.size());
  count(broker_.counters.delivered);
}

// First come, first served: whoever publishes much is seen early. 0: none.
std::uint16_t Session::outgoing_alias(std::string_view topic, bool& is_new) {
  if (topic_alias_maximum_ == 0 || topic.size() > max_aliased_topic) return 0;
  if (const auto it = outgoing_aliases_.find(std::string(topic)); it != outgoing_aliases_.end()) {
    return it->second;
  }
  const std::uint16_t allowed = std::min(topic_alias_maximum_, max_outgoing_aliases);
  if (outgoing_aliases_.size() >= allowed) return 0;
  is_new = true;
  return static_cast<std::uint16_t>(outgoing_aliases_.size() + 1);
}

Session::Next Session::on_client_ack(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_ack(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  const mqtt::PacketId id = decoded->packet_id;
  const auto it = outstanding_.find(id);
  const auto is = [&](Await await) { return it != outstanding_.end() && it->second == await; };

  if (frame.type == PacketType::pubrec) {
    if (is(Await::pubcomp)) {  // seen twice: so is its PUBREL
      mqtt::encode_ack(out, version_, PacketType::pubrel, {id});
      return Next::read;
    }
    if (is(Await::our_pubrel)) return Next::read;
    if (!is(Await::pubrec)) {
      mqtt::encode_ack(out, version_, PacketType::pubrel,
                       {id, ReasonCode::packet_identifier_not_found});
      return Next::read;
    }
    if (decoded->code < ReasonCode::unspecified_error) {
      const auto error = broker_.tell_acknowledged(*session_, event::Received{client_id_, id});
      if (error) return no_room(*error, out);
      it->second = Await::our_pubrel;  // comes when that has taken effect
      return Next::read;
    }
  } else if (!is(frame.type == PacketType::puback ? Await::puback : Await::pubcomp)) {
    return Next::read;  // of what we did not send on this connection: changes nothing
  }
  if (const auto error = broker_.tell_acknowledged(*session_, event::Done{client_id_, id})) {
    return no_room(*error, out);
  }
  outstanding_.erase(it);
  return Next::read;
}

}  // namespace rowgate::broker
