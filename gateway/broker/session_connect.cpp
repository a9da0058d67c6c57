// How a connection begins: CONNECT, who the client is, whose session it takes over, CONNACK.
#include <algorithm>
#include <random>

#include "gateway/broker/session.hpp"

namespace rowgate::broker {
namespace {

using mqtt::Error;
using mqtt::ReasonCode;
using mqtt::Version;

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

Session::Next Session::on_connect(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_connect(frame);
  if (!decoded) {
    return refuse(mqtt::peek_version(frame), decoded.error().code, decoded.error().reason, out);
  }
  const mqtt::ConnectView& connect = *decoded;
  version_ = connect.version;
  maximum_packet_size_ = connect.properties.maximum_packet_size.value_or(0xFFFFFFFF);
  if (connect.properties.authentication_method) {
    return refuse(version_, ReasonCode::bad_authentication_method,
                  "no authentication method is offered [MQTT-4.12.0-1]", out);
  }
  if (connect.will) {
    if (const auto error = take_will(*connect.will)) {
      return refuse(version_, error->code, error->reason, out);
    }
  }
  const BrokerOptions& options = broker_.options;
  clean_start_ = connect.clean_start;
  asked_keep_alive_ = keep_alive_ = connect.keep_alive;
  const bool announced = version_ == Version::v5 && options.max_keep_alive != 0;
  if (announced && (keep_alive_ == 0 || keep_alive_ > options.max_keep_alive)) {
    keep_alive_ = options.max_keep_alive;
  }
  asked_expiry_ = version_ == Version::v5
                      ? std::chrono::seconds(connect.properties.session_expiry_interval.value_or(0))
                  : clean_start_ ? std::chrono::seconds(0)
                                 : options.max_session_expiry;
  expiry_ = std::min(asked_expiry_, options.max_session_expiry);
  receive_maximum_ = connect.properties.receive_maximum.value_or(65535);
  problem_information_ = connect.properties.request_problem_information.value_or(1) != 0;
  topic_alias_maximum_ = connect.properties.topic_alias_maximum.value_or(0);
  assigned_id_ = connect.client_id.empty();
  client_id_ = assigned_id_ ? make_client_id() : std::string(connect.client_id);
  lane_ = storage::lane_of(client_id_, broker_.journal.lanes());

  if (!broker_.authenticator) {
    verdict_ = security::Verdict{ReasonCode::success, {}, ""};
    verdict_->identity.user = peer_.certificate_user;
    return Next::read;
  }
  security::Credentials credentials;
  credentials.client_id = client_id_;
  if (connect.user_name) credentials.user_name = *connect.user_name;
  if (connect.password) credentials.password = *connect.password;
  credentials.certificate_user = peer_.certificate_user;
  credentials.address = peer_.address;
  state_ = State::awaiting_authentication;
  broker_.authenticator->authenticate(
      std::move(credentials), [&peers = broker_.peers, self = self_](security::Verdict&& verdict) {
        peers.authenticated(self, std::move(verdict));
      });
  return Next::authenticate;
}

std::optional<Error> Session::take_will(const mqtt::WillView& will) {
  if (!mqtt::is_topic_name(will.topic) || is_too_deep(will.topic)) {
    return Error{ReasonCode::topic_name_invalid, "will topic is no topic name, or too long"};
  }
  if (will.retain && !broker_.options.retain_available && version_ == Version::v5) {
    return Error{ReasonCode::retain_not_supported, "a Will with RETAIN [MQTT-3.2.2-13]"};
  }
  if (!mqtt::payload_is_as_indicated(will.properties.wire, will.payload)) {
    return Error{ReasonCode::payload_format_invalid, "the Will's payload is not UTF-8"};
  }
  will_ = LastWill{std::string(will.topic),
                   std::string(will.payload),
                   {},
                   will.qos,
                   will.retain,
                   std::chrono::seconds(will.properties.will_delay_interval.value_or(0))};
  mqtt::append_will_publish(will_->properties, will.properties.wire);
  return std::nullopt;
}

// Nothing of an earlier connection is touched before the client is known: who is refused must not
// be able to take over anybody.
Session::Next Session::admit(Moment now, std::string& out) {
  if (verdict_->code != ReasonCode::success) {
    return refuse(version_, verdict_->code, verdict_->reason, out);
  }
  identity_ = std::move(verdict_->identity);
  verdict_.reset();
  if (will_) {
    const bool allowed =
        !security::is_reserved(will_->topic) &&
        (!broker_.acl || broker_.acl->get()->may_publish(identity_, client_id_, will_->topic));
    if (!allowed) {
      count(broker_.counters.denied_publishes);
      return refuse(version_, ReasonCode::not_authorized, "the client may not publish its Will",
                    out);
    }
  }
  if (broker_.acl) acl_generation_ = broker_.acl->generation();
  return claim(now, out);
}

Session::Next Session::claim(Moment now, std::string& out) {
  SessionRegistry::Claim claim = broker_.registry.claim(client_id_, identity_.user, self_);
  if (!claim.state) {
    return refuse(version_, ReasonCode::client_identifier_not_valid,
                  "the client id is in use by a session of another user", out);
  }
  session_ = std::move(claim.state);
  state_ = State::awaiting_take_over;
  if (!claim.displaced) return begin(now, out);
  displaced_ = claim.displaced;
  count(broker_.counters.take_overs);
  return Next::take_over;
}

// The session is free: go on with it or start anew, and answer the CONNECT. The answer waits until
// what the dispatcher is told is durable, and the old session's end with it: else its subscriptions
// and packet ids could come back to life after a crash, and swallow messages of the new one.
Session::Next Session::begin(Moment now, std::string& out) {
  SessionState& s = *session_;
  owns_session_ = true;
  if (!told_) {
    // A session of an older gateway is known by its open QoS 2 packet ids alone.
    const bool kept =
        s.known ? s.kept && now.ticks < s.until : broker_.journal.has_open(client_id_);
    present_ = kept && !clean_start_ && !voided_;
    // A Will that waits is taken back, but where its session ends or it is due [MQTT-3.1.3-9].
    const bool will_is_due = s.will && (!present_ || s.will_at <= now.ticks);
    if (will_is_due) {
      if (const auto error = broker_.publish_will(s, now, self_.thread)) {
        return not_begun(*error, now, out);
      }
    }
    if (!present_ && !voided_) {
      const auto forgotten = broker_.journal.forget(client_id_);
      if (!forgotten) return not_begun(forgotten.error(), now, out);
      answer_at_ = forgotten->end;
      voided_ = true;
    }
    if (const auto error = tell_began(now)) return not_begun(*error, now, out);
  }
  if (broker_.journal.durable() < answer_at_) return Next::stall;
  return welcome(out);
}

// Without an answer the client could not tell a gateway that is full from one that is dead; and
// here, other than for a publish, MQTT 3 has a word as well.
Session::Next Session::not_begun(storage::AppendError error, Moment now, std::string& out) {
  using storage::AppendError;
  if (error != AppendError::busy && error != AppendError::full) {
    return refuse(version_, ReasonCode::server_unavailable, "the journal takes no session", out);
  }
  if (!waited_too_long(error, now)) return Next::stall;
  const auto code =
      version_ == Version::v5 ? ReasonCode::quota_exceeded : ReasonCode::server_unavailable;
  return refuse(version_, code, "the journal is full, and mqtt.max_journal_wait is over", out);
}

Broker::NotTold Session::tell_began(Moment now) {
  SessionState& s = *session_;
  if (expiry_.count() > 0 && !s.kept && !broker_.may_keep_another()) {
    expiry_ = std::chrono::seconds(0);
  }
  // What the journal says about the past must not be overtaken by an event of the inbox.
  const bool was_journaled = s.journaled;
  s.journaled = expiry_.count() > 0 || will_ || present_ || (s.known && was_journaled) ||
                !broker_.has_taken_effect(s.last_event);
  event::Began began{
      client_id_, !present_, static_cast<std::uint32_t>(expiry_.count()), {}, s.user};
  if (will_) began.will = will_->view();
  if (const auto error = broker_.tell(s, began)) {
    s.journaled = was_journaled;
    return error;
  }
  if (s.journaled) answer_at_ = std::max(answer_at_, s.last_event);
  told_ = true;
  s.known = true;
  s.expiry = expiry_;
  s.until = now.ticks + expiry_;
  s.left_at.reset();
  s.will = std::exchange(will_, std::nullopt);
  s.will_published = false;
  if (!present_) s.filters.clear();
  broker_.keep(s, expiry_.count() > 0);
  outlives_us_ = s.durable = present_ || s.kept;
  return std::nullopt;
}

Session::Next Session::welcome(std::string& out) {
  mqtt::Connack connack;
  connack.session_present = present_;
  if (version_ == Version::v5) {
    mqtt::Properties& p = connack.properties;
    const BrokerOptions& options = broker_.options;
    if (options.receive_maximum != 65535) p.receive_maximum = options.receive_maximum;
    p.maximum_packet_size = options.max_packet_bytes;
    if (options.topic_alias_maximum != 0) p.topic_alias_maximum = options.topic_alias_maximum;
    if (!options.retain_available) p.retain_available = std::uint8_t{0};
    if (expiry_ != asked_expiry_) {
      p.session_expiry_interval = static_cast<std::uint32_t>(expiry_.count());
    }
    if (keep_alive_ != asked_keep_alive_) p.server_keep_alive = keep_alive_;
    if (assigned_id_) p.assigned_client_identifier = client_id_;
  }
  const std::size_t before = out.size();
  mqtt::encode_connack(out, version_, connack);
  if (out.size() - before > maximum_packet_size_) {
    out.resize(before);
    return refuse(version_, ReasonCode::packet_too_large,
                  "the answer is larger than the client's Maximum Packet Size [MQTT-3.1.2-24]",
                  out);
  }
  state_ = State::connected;
  full_since_.reset();
  began_ = true;
  count(broker_.counters.connects);
  broker_.ledger.passed(self_.thread, Traffic::messages_sent);
  tell_presence();
  broker_.inbox.put(Attach{client_id_, self_, receive_maximum_, maximum_packet_size_, version_,
                           session_->journaled ? session_->last_event : storage::Position{}});
  return Next::read;
}

Session::Next Session::refuse(Version version, ReasonCode code, const char* reason,
                              std::string& out) {
  count(broker_.counters.refused);
  reason_ = reason;
  state_ = State::closed;
  // A 3.1.1 server answers only what a return code exists for; anything malformed is just closed
  // [MQTT-3.1.4-1].
  bool told = version == Version::v5;
  switch (code) {
    case ReasonCode::unsupported_protocol_version:
    case ReasonCode::client_identifier_not_valid:
    case ReasonCode::bad_user_name_or_password:
    case ReasonCode::not_authorized:
    case ReasonCode::server_unavailable:
    case ReasonCode::server_busy:
      told = true;
      break;
    default:
      break;
  }
  if (told) {
    mqtt::Connack connack;
    connack.code = code;
    const std::size_t before = out.size();
    mqtt::encode_connack(out, version, connack);
    if (out.size() - before > maximum_packet_size_) out.resize(before);  // [MQTT-3.1.2-24]
  }
  return Next::close;
}

}  // namespace rowgate::broker
