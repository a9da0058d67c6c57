// A client's publishes and the hand-shakes around them: the hot path of the listener.
#include <algorithm>
#include <atomic>

#include "gateway/broker/receipts.hpp"
#include "gateway/broker/session.hpp"
#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::ReasonCode;
using storage::AppendError;

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Session::Next Session::on_publish(const mqtt::Frame& frame, Moment now, std::string& out,
                                  AckQueue& acks) {
  const auto decoded = mqtt::decode_publish(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  const mqtt::PublishView& publish = *decoded;
  if (paced_ && (!publish_rate_.allows(now.ticks) || !byte_rate_.allows(now.ticks))) {
    count(broker_.counters.held_back);
    return Next::hold;
  }
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
  if (publish.retain && !broker_.options.retain_available && version_ == mqtt::Version::v5) {
    return fail({ReasonCode::retain_not_supported, "RETAIN is not available [MQTT-3.2.2-14]"}, out);
  }
  const bool own_id = publish.qos == QoS::exactly_once && !outlives_us_;
  if (own_id &&
      std::find(open_ids_.begin(), open_ids_.end(), publish.packet_id) != open_ids_.end()) {
    acks.push(pending(broker_.journal.appended(), publish.packet_id, PacketType::pubrec));
    if (limited) ++in_flight_;
    return Next::read;
  }
  const auto taken = [&] {
    if (!paced_) return;
    publish_rate_.take(1);
    byte_rate_.take(frame.size);
  };
  if (may_refuse(publish, topic)) {
    if (const auto code = refusal(publish, topic, now)) {
      taken();
      return reject(publish.packet_id, publish.qos, *code, out, acks);
    }
  }
  const storage::PublishRecord record{.client_id = client_id_,
                                      .topic = topic,
                                      .properties = publish.properties,
                                      .payload = publish.payload,
                                      .received_at = now.wall,
                                      .lane = lane_,
                                      .packet_id = own_id ? mqtt::PacketId{0} : publish.packet_id,
                                      .qos = static_cast<std::uint8_t>(publish.qos),
                                      .retain = publish.retain};
  const auto appended = record.retain ? broker_.publish(record) : broker_.journal.append(record);
  if (!appended) {
    if (!limited || !waited_too_long(appended.error(), now)) {  // nobody else can be told
      return not_appended(appended.error(), publish.qos, out);
    }
    taken();
    count(broker_.counters.quota_exceeded);
    return reject(publish.packet_id, publish.qos, ReasonCode::quota_exceeded, out, acks);
  }
  full_since_.reset();
  taken();
  if (publish.qos != QoS::at_most_once) {
    const auto type = publish.qos == QoS::at_least_once ? PacketType::puback : PacketType::pubrec;
    acks.push(pending(appended->end, publish.packet_id, type));
    if (limited) ++in_flight_;
    if (own_id) open_ids_.push_back(publish.packet_id);
  }
  // A duplicate is in the journal already.
  if (appended->duplicate) return Next::read;
  broker_.ledger.received(self_.thread, lane_);
  ++passed_.publishes;
  passed_.publish_bytes += publish.payload.size();
  return Next::read;
}

bool Session::is_too_deep(std::string_view topic) const noexcept {
  const BrokerOptions& options = broker_.options;
  if (topic.size() > options.max_topic_bytes) return true;
  if (topic.size() < options.max_topic_levels) return false;  // however many of them are slashes
  const auto slashes = static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
  return slashes >= options.max_topic_levels;
}

bool Session::may_have_answer(const mqtt::PublishView& publish, std::string_view topic) const {
  if (publish.properties.empty() || !broker_.acl) return true;
  for (const auto& answer :
       {Receipts::topic(publish.properties), Receipts::reply_topic(topic, publish.properties)}) {
    if (answer && !broker_.acl->get()->may_publish(identity_, client_id_, *answer)) return false;
  }
  return true;
}

bool Session::fits_mappings(const mqtt::PublishView& publish, std::string_view topic, Moment now) {
  if (!broker_.arrival_check) return true;
  auto why =
      broker_.arrival_check->refuse(self_.thread, {.topic = topic,
                                                   .client_id = client_id_,
                                                   .payload = publish.payload,
                                                   .properties = publish.properties,
                                                   .received_at = now.wall,
                                                   .position = 0,
                                                   .qos = static_cast<std::uint8_t>(publish.qos),
                                                   .retain = publish.retain});
  if (!why) return true;
  why_refused_ = std::move(*why);
  return false;
}

bool Session::may_refuse(const mqtt::PublishView& publish, std::string_view topic) const {
  const BrokerOptions& options = broker_.options;
  return looks_closer_ || topic.size() > options.max_topic_bytes ||
         topic.size() >= options.max_topic_levels || topic.front() == '$' ||
         !publish.properties.empty() ||
         (broker_.arrival_check && broker_.arrival_check->rejects(self_.thread));
}

// What was taken already stays taken, also when a new mapping file or ACL has come into force
// since: its packet id must not be freed, or the next message under it would pass for this one.
std::optional<ReasonCode> Session::refusal(const mqtt::PublishView& publish, std::string_view topic,
                                           Moment now) {
  std::optional<ReasonCode> code;
  std::atomic<std::uint64_t>* counter = nullptr;
  if (is_too_deep(topic)) {
    code = ReasonCode::topic_name_invalid;
  } else if (topic.front() == '$' && security::is_reserved(topic)) {
    code = ReasonCode::not_authorized;
    counter = &broker_.counters.denied_publishes;
  } else if (!mqtt::payload_is_as_indicated(publish)) {
    code = ReasonCode::payload_format_invalid;
    counter = &broker_.counters.invalid_payloads;
  } else if (broker_.acl || broker_.options.reject_unmapped) {
    const Route route = routes_.find(topic, broker_.catalog, broker_.acl, identity_, client_id_);
    if (!route.allowed) {
      code = ReasonCode::not_authorized;
      counter = &broker_.counters.denied_publishes;
    } else if (broker_.options.reject_unmapped && !route.mapped) {
      code = ReasonCode::topic_name_invalid;
    }
  }
  if (!code && !may_have_answer(publish, topic)) {
    code = ReasonCode::not_authorized;
    counter = &broker_.counters.denied_publishes;
  }
  if (!code && !fits_mappings(publish, topic, now)) {
    code = ReasonCode::payload_format_invalid;
    counter = &broker_.counters.invalid_payloads;
  }
  if (!code) return code;
  if (publish.qos == QoS::exactly_once && outlives_us_ &&
      broker_.journal.is_open(client_id_, publish.packet_id)) {
    why_refused_.clear();
    return std::nullopt;
  }
  if (counter) count(*counter);
  return code;
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
  if (error != AppendError::full || qos != QoS::at_most_once) return no_room(error, out);
  broker_.ledger.received(self_.thread, lane_);
  broker_.ledger.dropped(self_.thread, lane_);
  return Next::read;
}

bool Session::waited_too_long(AppendError error, Moment now) {
  const auto limit = broker_.options.max_journal_wait;
  if (error != AppendError::full || limit.count() == 0) return false;
  if (!full_since_) full_since_ = now.ticks;
  return now.ticks - *full_since_ >= limit;
}

// A 5.0 client is told; an older one cannot be, and must not be acknowledged what is not kept.
Session::Next Session::reject(mqtt::PacketId id, QoS qos, ReasonCode code, std::string& out,
                              AckQueue& acks) {
  count(broker_.counters.rejected_publishes);
  if (qos == QoS::at_most_once) {
    why_refused_.clear();
    return Next::read;
  }
  if (version_ != mqtt::Version::v5) {
    return fail({code, "a publish that is not taken, and 3.x has no word for it"}, out);
  }
  const auto type = qos == QoS::at_least_once ? PacketType::puback : PacketType::pubrec;
  acks.push(pending({}, id, type, code));
  ++in_flight_;
  if (!why_refused_.empty()) refusals_.push_back({id, std::exchange(why_refused_, {})});
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
    // The row of its publish lies below what is appended now.
    const auto end = broker_.committed ? broker_.journal.appended() : storage::Position{};
    acks.push(pending(end, decoded->packet_id, PacketType::pubcomp, code));
    return Next::read;
  }
  const auto released = broker_.journal.release(client_id_, decoded->packet_id);
  if (!released) return not_appended(released.error(), QoS::exactly_once, out);
  const ReasonCode code =
      released->duplicate ? ReasonCode::packet_identifier_not_found : ReasonCode::success;
  acks.push(pending(released->end, decoded->packet_id, PacketType::pubcomp, code));
  return Next::read;
}

void Session::acknowledge(const PendingAck& ack, std::string& out) {
  if (state_ != State::connected) return;
  if (ack.type == PacketType::suback || ack.type == PacketType::unsuback) {
    encode_answer(ack.type, ack.packet_id, answers_.front(), out);
    answers_.erase(answers_.begin());
    return;
  }
  ++passed_.sent;
  // The client may send the next one now: QoS 2 counts until PUBCOMP, or a PUBREC that refuses.
  const bool done = ack.type != PacketType::pubrec || ack.code >= ReasonCode::unspecified_error;
  if (done && in_flight_ > 0) --in_flight_;
  if (refusals_.empty())
    return mqtt::encode_ack(out, version_, ack.type, {ack.packet_id, ack.code});
  const auto refused = std::find_if(refusals_.begin(), refusals_.end(), [&](const Refusal& r) {
    return ack.code == ReasonCode::payload_format_invalid && r.packet_id == ack.packet_id;
  });
  if (refused != refusals_.end()) {
    mqtt::encode_ack(out, version_, ack.type, {ack.packet_id, ack.code},
                     {.reason_string = refused->why,
                      .requested = problem_information_,
                      .maximum_packet_size = maximum_packet_size_});
    refusals_.erase(refused);
  } else {
    mqtt::encode_ack(out, version_, ack.type, {ack.packet_id, ack.code});
  }
}

}  // namespace rowgate::broker
