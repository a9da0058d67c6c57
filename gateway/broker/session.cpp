// The state machine: which packet may come when, and how a connection begins and ends. Publishes
// are in session_publish.cpp, subscriptions in session_subscribe.cpp.
#include "gateway/broker/session.hpp"

#include <algorithm>
#include <random>

#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/control.hpp"

namespace rowgate::broker {
namespace {

using mqtt::Error;
using mqtt::PacketType;
using mqtt::ReasonCode;
using mqtt::Version;

constexpr const char* too_large_for_client =
    "the answer is larger than the client's Maximum Packet Size [MQTT-3.1.2-24]";

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

/// Unguessable, so that nobody can take over a client that did not name itself.
std::string make_client_id() {
  std::random_device random;
  std::string id = "rowgate-";
  for (int i = 0; i < 4; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    for (std::uint32_t bits = random(), n = 0; n < 8; ++n, bits >>= 4) id += digits[bits & 15];
  }
  return id;
}

}  // namespace

Session::Session(Broker& broker, ConnectionRef self, std::chrono::steady_clock::time_point opened)
    : broker_(broker), self_(self), heard_(opened) {}

Session::Received Session::receive(std::string_view bytes, Moment now, std::string& out,
                                   AckQueue& acks) {
  if (state_ != State::awaiting_connect) heard_ = now.ticks;
  Received result;
  if (state_ == State::awaiting_take_over) result.next = begin(out);
  while (result.next == Next::read) {
    if (acks.size() >= AckQueue::limit) {
      result.next = Next::stall;
      break;
    }
    const mqtt::FrameResult found =
        mqtt::next_frame(bytes.substr(result.consumed), broker_.options.max_packet_bytes);
    if (found.status == mqtt::FrameResult::Status::need_more) {
      result.wanted = found.wanted;
      break;
    }
    result.next = found.status == mqtt::FrameResult::Status::error
                      ? fail(found.error, out)
                      : handle(found.frame, now, out, acks);
    // Stalled in a CONNECT, the packet is done but for its answer; else it must be given again.
    if (result.next != Next::stall || state_ == State::awaiting_take_over) {
      result.consumed += found.frame.size;
    }
  }
  return result;
}

Session::Next Session::handle(const mqtt::Frame& frame, Moment now, std::string& out,
                              AckQueue& acks) {
  if (frame.type == PacketType::publish && state_ == State::connected) {
    return on_publish(frame, now, out, acks);
  }
  if (state_ == State::awaiting_connect) {
    if (frame.type == PacketType::connect) return on_connect(frame, out);
    return fail({ReasonCode::protocol_error, "first packet is not CONNECT [MQTT-3.1.0-1]"}, out);
  }
  switch (frame.type) {
    case PacketType::pubrel:
      return on_pubrel(frame, out, acks);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubcomp:
      return on_client_ack(frame, now, out);
    case PacketType::subscribe:
      return on_subscribe(frame, out);
    case PacketType::unsubscribe:
      return on_unsubscribe(frame, out);
    case PacketType::pingreq: {
      const auto ping = mqtt::decode_pingreq(frame);
      if (!ping) return fail(ping.error(), out);
      mqtt::encode_pingresp(out);
      return Next::read;
    }
    case PacketType::disconnect:
      return on_disconnect(frame, out);
    case PacketType::connect:
      return fail({ReasonCode::protocol_error, "second CONNECT [MQTT-3.1.0-2]"}, out);
    case PacketType::auth:
      return fail(
          {ReasonCode::protocol_error, "AUTH without an authentication method [MQTT-4.12.0-6]"},
          out);
    default:
      return fail({ReasonCode::protocol_error, "a packet that only servers send"}, out);
  }
}

Session::Next Session::on_connect(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_connect(frame);
  if (!decoded) {
    return refuse(mqtt::peek_version(frame), decoded.error().code, decoded.error().reason, out);
  }
  const mqtt::ConnectView& connect = *decoded;
  if (connect.properties.authentication_method) {
    return refuse(connect.version, ReasonCode::bad_authentication_method,
                  "no authentication method is offered [MQTT-4.12.0-1]", out);
  }
  if (connect.will && !mqtt::is_topic_name(connect.will->topic)) {
    return refuse(connect.version, ReasonCode::topic_name_invalid, "will topic is no topic name",
                  out);
  }
  version_ = connect.version;
  clean_start_ = connect.clean_start;
  keep_alive_ = connect.keep_alive;
  const std::chrono::seconds asked =
      version_ == Version::v5
          ? std::chrono::seconds(connect.properties.session_expiry_interval.value_or(0))
      : clean_start_ ? std::chrono::seconds(0)
                     : broker_.options.max_session_expiry;
  expiry_ = std::min(asked, broker_.options.max_session_expiry);
  expiry_capped_ = expiry_ != asked;
  limits_ = {version_, connect.properties.receive_maximum.value_or(65535),
             connect.properties.maximum_packet_size.value_or(0xFFFFFFFF),
             broker_.options.max_queued_bytes};

  assigned_id_ = connect.client_id.empty();
  const std::string id = assigned_id_ ? make_client_id() : std::string(connect.client_id);
  lane_ = storage::lane_of(id, broker_.journal.lanes());
  SessionRegistry::Claim claim = broker_.registry.claim(id, self_);
  subscriber_ = std::move(claim.subscriber);
  state_ = State::awaiting_take_over;
  if (!claim.displaced) return begin(out);
  displaced_ = claim.displaced;
  count(broker_.counters.take_overs);
  return Next::take_over;
}

// The session is free: go on with it or start anew, and answer the CONNECT. The answer to a new one
// waits until the old one's end is durable: else its packet ids could come back to life after a
// crash and swallow messages of the new one.
Session::Next Session::begin(std::string& out) {
  using Past = SessionRegistry::Past;
  const Past past = broker_.registry.past(subscriber_->client_id);
  // After a restart the journal alone remembers a session: by its open QoS 2 packet ids.
  const bool present = !ended_at_ && !clean_start_ &&
                       (past == Past::kept || (past == Past::unknown &&
                                               broker_.journal.has_open(subscriber_->client_id)));
  if (!present && !ended_at_) ended_at_ = broker_.end_session(*subscriber_);
  if (!present && (!ended_at_ || broker_.journal.durable() < *ended_at_)) return Next::stall;

  mqtt::Connack connack;
  connack.session_present = present;
  if (version_ == Version::v5) {
    mqtt::Properties& p = connack.properties;
    const BrokerOptions& options = broker_.options;
    if (options.receive_maximum != 65535) p.receive_maximum = options.receive_maximum;
    p.maximum_packet_size = options.max_packet_bytes;
    if (options.topic_alias_maximum != 0) p.topic_alias_maximum = options.topic_alias_maximum;
    p.shared_subscription_available = std::uint8_t{0};
    if (expiry_capped_) p.session_expiry_interval = static_cast<std::uint32_t>(expiry_.count());
    if (assigned_id_) p.assigned_client_identifier = subscriber_->client_id;
  }
  const std::size_t before = out.size();
  mqtt::encode_connack(out, version_, connack);
  if (out.size() - before > limits_.maximum_packet_size) {
    out.resize(before);
    return refuse(version_, ReasonCode::packet_too_large, too_large_for_client, out);
  }
  state_ = State::connected;
  began_ = true;
  outlives_us_ = present || expiry_.count() > 0;
  subscriber_->connection.store(self_.pack(), std::memory_order_release);
  count(broker_.counters.connects);
  return Next::read;
}

Session::Next Session::refuse(Version version, ReasonCode code, const char* reason,
                              std::string& out) {
  count(broker_.counters.refused);
  reason_ = reason;
  state_ = State::closed;
  // A 3.1.1 server answers only what a return code exists for; anything malformed is just closed
  // [MQTT-3.1.4-1].
  const bool told = version == Version::v5 || code == ReasonCode::unsupported_protocol_version ||
                    code == ReasonCode::client_identifier_not_valid;
  if (told) {
    mqtt::Connack connack;
    connack.code = code;
    mqtt::encode_connack(out, version, connack);
  }
  return Next::close;
}

// A server sends nothing larger than the client's Maximum Packet Size [MQTT-3.1.2-24], and a
// request must not stay unanswered.
Session::Next Session::answered(std::size_t before, std::string& out) {
  if (out.size() - before <= limits_.maximum_packet_size) return Next::read;
  out.resize(before);
  return fail({ReasonCode::packet_too_large, too_large_for_client}, out);
}

Session::Next Session::fail(Error error, std::string& out) {
  count(broker_.counters.protocol_errors);
  reason_ = error.reason;
  disconnect(error.code, out);
  return Next::close;
}

void Session::disconnect(ReasonCode code, std::string& out) {
  // Before the CONNACK a server sends no DISCONNECT [MQTT-3.14.0-1]; 3.1.1 servers never do.
  if (state_ == State::connected && version_ == Version::v5) mqtt::encode_disconnect(out, code);
  state_ = State::closed;
}

Session::Next Session::on_disconnect(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_disconnect(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  if (decoded->session_expiry_interval) {
    const std::chrono::seconds asked(*decoded->session_expiry_interval);
    if (expiry_.count() == 0 && asked.count() != 0) {  // [MQTT-3.14.2-2]
      return fail({ReasonCode::protocol_error,
                   "DISCONNECT gives an expiry to a session that had none [MQTT-3.14.2-2]"},
                  out);
    }
    expiry_ = std::min(asked, broker_.options.max_session_expiry);
  }
  state_ = State::closed;
  return Next::close;
}

Session::Next Session::tick(std::chrono::steady_clock::time_point now, bool waits_for_us,
                            std::string& out) {
  if (state_ == State::awaiting_connect) {
    if (now - heard_ < broker_.options.connect_timeout) return Next::read;
    reason_ = "no CONNECT within the connect time-out";
    state_ = State::closed;
    return Next::close;
  }
  if (waits_for_us || state_ != State::connected) {
    heard_ = now;
    return Next::read;
  }
  // One and a half times the Keep Alive [MQTT-3.1.2-22].
  if (keep_alive_ == 0 || now - heard_ < std::chrono::milliseconds(1500) * keep_alive_) {
    return Next::read;
  }
  count(broker_.counters.keep_alive_timeouts);
  reason_ = "keep alive time-out [MQTT-3.1.2-22]";
  disconnect(ReasonCode::keep_alive_timeout, out);
  return Next::close;
}

void Session::closed(std::chrono::steady_clock::time_point now) {
  state_ = State::closed;
  if (!subscriber_) return;
  std::uint64_t self = self_.pack();
  subscriber_->connection.compare_exchange_strong(self, 0);
  if (!began_ && !ended_at_) {
    broker_.registry.abandon(subscriber_->client_id, self_);
  } else if (began_ && expiry_.count() > 0) {
    broker_.registry.leave(subscriber_->client_id, self_, now + expiry_, false);
  } else {
    const bool forgotten = broker_.end_session(*subscriber_).has_value();
    broker_.registry.leave(subscriber_->client_id, self_, std::nullopt, forgotten);
  }
}

}  // namespace rowgate::broker
