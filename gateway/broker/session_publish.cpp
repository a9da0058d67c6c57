// A client's publishes and the hand-shakes around them: the hot path of the listener.
#include <algorithm>

#include "gateway/broker/session.hpp"
#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::ReasonCode;
using storage::AppendError;

}  // namespace

PendingAck Session::pending(storage::Position end, mqtt::PacketId id, PacketType type,
                            ReasonCode code) const noexcept {
  return {end, self_.slot, self_.generation, id, type, code};
}

Session::Next Session::on_publish(const mqtt::Frame& frame, Moment now, std::string& out,
                                  AckQueue& acks) {
  const auto decoded = mqtt::decode_publish(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  const mqtt::PublishView& publish = *decoded;
  std::string_view topic = publish.topic;
  if (publish.topic_alias != 0) {
    const auto resolved = resolve_alias(topic, publish.topic_alias);
    if (!resolved) return fail(resolved.error(), out);
    topic = *resolved;
  }
  const bool limited = version_ == mqtt::Version::v5 && publish.qos != QoS::at_most_once;
  if (limited && in_flight_ >= broker_.options.receive_maximum) {
    return fail({ReasonCode::receive_maximum_exceeded, "Receive Maximum exceeded [MQTT-3.3.4-9]"},
                out);
  }
  const bool own_id = publish.qos == QoS::exactly_once && !outlives_us_;
  if (own_id &&
      std::find(open_ids_.begin(), open_ids_.end(), publish.packet_id) != open_ids_.end()) {
    acks.push(pending(broker_.journal.appended(), publish.packet_id, PacketType::pubrec));
    if (limited) ++in_flight_;
    return Next::read;
  }
  if (is_unwanted(publish, topic)) return reject(publish.packet_id, publish.qos, out, acks);

  const auto appended =
      broker_.journal.append({.client_id = subscriber_->client_id,
                              .topic = topic,
                              .properties = publish.properties,
                              .payload = publish.payload,
                              .received_at = now.wall,
                              .lane = lane_,
                              .packet_id = own_id ? mqtt::PacketId{0} : publish.packet_id,
                              .qos = static_cast<std::uint8_t>(publish.qos),
                              .retain = publish.retain});
  if (!appended) return not_appended(appended.error(), publish.qos, out);
  if (publish.qos != QoS::at_most_once) {
    const auto type = publish.qos == QoS::at_least_once ? PacketType::puback : PacketType::pubrec;
    acks.push(pending(appended->end, publish.packet_id, type));
    if (limited) ++in_flight_;
    if (own_id) open_ids_.push_back(publish.packet_id);
  }
  if (appended->duplicate) return Next::read;  // the record is in the journal already
  broker_.ledger.received(self_.thread, lane_);
  if (!broker_.subscriptions.empty()) publish_live(publish, topic, now);
  return Next::read;
}

// What was taken already stays taken, also when a new mapping file has come into force since: its
// packet id must not be freed, or the next message under it would pass for this one.
bool Session::is_unwanted(const mqtt::PublishView& publish, std::string_view topic) {
  if (!broker_.options.reject_unmapped || routes_.find(topic, broker_.catalog).mapped) return false;
  return publish.qos != QoS::exactly_once || !outlives_us_ ||
         !broker_.journal.is_open(subscriber_->client_id, publish.packet_id);
}

mqtt::Decoded<std::string_view> Session::resolve_alias(std::string_view topic,
                                                       std::uint16_t alias) {
  if (alias > broker_.options.topic_alias_maximum) {
    return mqtt::Error{ReasonCode::topic_alias_invalid,
                       "topic alias above the maximum [MQTT-3.3.2-9]"};
  }
  if (aliases_.size() < alias) aliases_.resize(alias);
  std::string& known = aliases_[alias - 1U];
  if (!topic.empty()) {
    known.assign(topic);
    return topic;
  }
  if (known.empty()) {
    return mqtt::Error{ReasonCode::protocol_error, "topic alias was never set [MQTT-3.3.2-12]"};
  }
  return std::string_view(known);
}

Session::Next Session::not_appended(AppendError error, QoS qos, std::string& out) {
  switch (error) {
    case AppendError::full:
      if (qos == QoS::at_most_once) {
        broker_.ledger.received(self_.thread, lane_);
        broker_.ledger.dropped(self_.thread, lane_);
        return Next::read;
      }
      [[fallthrough]];
    case AppendError::busy:
      broker_.counters.stalls.fetch_add(1, std::memory_order_relaxed);
      return Next::stall;
    case AppendError::too_large:
      return fail({ReasonCode::packet_too_large, "publish larger than the journal's open buffer"},
                  out);
    case AppendError::stopped:
      break;
  }
  reason_ = "the journal has stopped";
  disconnect(ReasonCode::server_unavailable, out);
  return Next::close;
}

// No mapping takes the topic, and the configuration says to refuse such publishes. A 5.0 client is
// told; a 3.1.1 client cannot be, and must not be acknowledged what is not kept.
Session::Next Session::reject(mqtt::PacketId id, QoS qos, std::string& out, AckQueue& acks) {
  broker_.counters.rejected_publishes.fetch_add(1, std::memory_order_relaxed);
  if (qos == QoS::at_most_once) return Next::read;
  if (version_ != mqtt::Version::v5) {
    return fail({ReasonCode::topic_name_invalid, "no mapping takes the topic"}, out);
  }
  const auto type = qos == QoS::at_least_once ? PacketType::puback : PacketType::pubrec;
  acks.push(pending({}, id, type, ReasonCode::topic_name_invalid));
  ++in_flight_;
  return Next::read;
}

Session::Next Session::on_pubrel(const mqtt::Frame& frame, std::string& out, AckQueue& acks) {
  const auto decoded = mqtt::decode_ack(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  if (!outlives_us_) {
    // The id ends with this connection, so there is nothing to keep; only the order to hold.
    const auto erased = std::erase(open_ids_, decoded->packet_id);
    const ReasonCode code =
        erased == 0 ? ReasonCode::packet_identifier_not_found : ReasonCode::success;
    acks.push(pending({}, decoded->packet_id, PacketType::pubcomp, code));
    return Next::read;
  }
  const auto released = broker_.journal.release(subscriber_->client_id, decoded->packet_id);
  if (!released) return not_appended(released.error(), QoS::exactly_once, out);
  const ReasonCode code =
      released->duplicate ? ReasonCode::packet_identifier_not_found : ReasonCode::success;
  acks.push(pending(released->end, decoded->packet_id, PacketType::pubcomp, code));
  return Next::read;
}

void Session::acknowledge(const PendingAck& ack, std::string& out) {
  if (state_ != State::connected) return;
  mqtt::encode_ack(out, version_, ack.type, {ack.packet_id, ack.code});
  // The client may send the next one now: QoS 2 counts until PUBCOMP, or a PUBREC that refuses.
  const bool done = ack.type != PacketType::pubrec || ack.code >= ReasonCode::unspecified_error;
  if (done && in_flight_ > 0) --in_flight_;
}

void Session::publish_live(const mqtt::PublishView& publish, std::string_view topic, Moment now) {
  std::vector<Recipient> recipients;
  broker_.subscriptions.match(topic, subscriber_->client_id, recipients);
  if (recipients.empty()) return;
  auto message = std::make_shared<LiveMessage>(LiveMessage{
      std::string(topic), std::string(publish.payload), {}, publish.qos, publish.retain});
  mqtt::append_forwarded(message->properties, publish.properties);
  if (const auto seconds = mqtt::message_expiry_interval(publish.properties)) {
    message->expires = now.ticks + std::chrono::seconds(*seconds);
  }
  for (Recipient& recipient : recipients) {
    const std::uint64_t connection =
        recipient.subscriber->connection.load(std::memory_order_acquire);
    if (connection == 0) continue;  // away
    broker_.peers.deliver(
        {message, ConnectionRef::unpack(connection), std::min(recipient.qos, publish.qos),
         recipient.retain_as_published && publish.retain, std::move(recipient.identifiers)});
  }
}

}  // namespace rowgate::broker
