#include "gateway/broker/outgoing.hpp"

#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {

std::size_t Delivery::bytes() const noexcept {
  const LiveMessage& m = *message;
  return sizeof *this + sizeof m + m.topic.size() + m.payload.size() + m.properties.size();
}

Outgoing::Sent Outgoing::send(Delivery&& delivery, Time now, std::string& out) {
  if (delivery.qos != mqtt::QoS::at_most_once &&
      (in_flight_.size() >= limits_.receive_maximum || !queued_.empty())) {
    const std::size_t bytes = delivery.bytes();
    if (queued_bytes_ + bytes > limits_.max_queued_bytes) return Sent::overrun;
    queued_bytes_ += bytes;
    queued_.push_back(std::move(delivery));
    return Sent::yes;
  }
  return encode(delivery, now, out) ? Sent::yes : Sent::dropped;
}

bool Outgoing::encode(const Delivery& delivery, Time now, std::string& out) {
  const LiveMessage& message = *delivery.message;
  if (message.expires && *message.expires <= now) return false;  // [MQTT-3.3.2-5]
  std::string properties;
  if (limits_.version == mqtt::Version::v5) {
    properties = message.properties;
    for (const std::uint32_t id : delivery.identifiers) {
      mqtt::append_subscription_identifier(properties, id);
    }
    if (message.expires) {  // less the time it has waited [MQTT-3.3.2-6]
      const auto left = std::chrono::ceil<std::chrono::seconds>(*message.expires - now);
      mqtt::append_message_expiry_interval(properties, static_cast<std::uint32_t>(left.count()));
    }
  }
  mqtt::OutgoingPublish publish{.topic = message.topic,
                                .payload = message.payload,
                                .properties = properties,
                                .packet_id = 0,
                                .qos = delivery.qos,
                                .retain = delivery.retain,
                                .dup = false};
  if (mqtt::publish_size(limits_.version, publish) > limits_.maximum_packet_size) return false;
  if (delivery.qos != mqtt::QoS::at_most_once) {
    publish.packet_id = next_id();
    in_flight_.emplace(publish.packet_id,
                       delivery.qos == mqtt::QoS::at_least_once ? Await::puback : Await::pubrec);
  }
  mqtt::encode_publish(out, limits_.version, publish);
  return true;
}

// Precondition: fewer than 65,535 ids are in use, which the Receive Maximum guarantees.
mqtt::PacketId Outgoing::next_id() {
  do {
    ++last_id_;
  } while (last_id_ == 0 || in_flight_.contains(last_id_));
  return last_id_;
}

bool Outgoing::acknowledged(mqtt::PacketType type, const mqtt::Ack& ack, Time now,
                            std::string& out) {
  const auto it = in_flight_.find(ack.packet_id);
  const Await expected = type == mqtt::PacketType::puback   ? Await::puback
                         : type == mqtt::PacketType::pubrec ? Await::pubrec
                                                            : Await::pubcomp;
  if (type == mqtt::PacketType::pubrec) {
    // A PUBREC seen twice gets its PUBREL twice; one for an unknown id is told so [MQTT-4.3.3-4].
    const bool known = it != in_flight_.end() && it->second != Await::puback;
    if (known && ack.code < mqtt::ReasonCode::unspecified_error) {
      it->second = Await::pubcomp;
      mqtt::encode_ack(out, limits_.version, mqtt::PacketType::pubrel, {ack.packet_id});
      return true;
    }
    if (!known) {
      mqtt::encode_ack(out, limits_.version, mqtt::PacketType::pubrel,
                       {ack.packet_id, mqtt::ReasonCode::packet_identifier_not_found});
      return false;
    }
  } else if (it == in_flight_.end() || it->second != expected) {
    return false;
  }
  in_flight_.erase(it);
  send_queued(now, out);
  return true;
}

void Outgoing::send_queued(Time now, std::string& out) {
  while (!queued_.empty() && in_flight_.size() < limits_.receive_maximum) {
    encode(queued_.front(), now, out);  // expired or too large for the client: skipped
    queued_bytes_ -= queued_.front().bytes();
    queued_.pop_front();
  }
}

}  // namespace rowgate::broker
