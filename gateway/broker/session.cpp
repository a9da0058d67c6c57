// The state machine: which packet may come when, and how a connection ends. How it begins is in
// session_connect.cpp, the client's publishes in session_publish.cpp, its subscriptions in
// session_subscribe.cpp, what it gets in session_deliver.cpp.
#include "gateway/broker/session.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/mqtt/control.hpp"

namespace rowgate::broker {
namespace {

using mqtt::Error;
using mqtt::PacketType;
using mqtt::ReasonCode;
using mqtt::Version;

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Session::Session(Broker& broker, ConnectionRef self, std::chrono::steady_clock::time_point opened)
    : broker_(broker),
      self_(self),
      heard_(opened),
      looks_closer_(broker.acl != nullptr || broker.options.reject_unmapped),
      paced_(broker.options.max_publishes_per_second != 0 ||
             broker.options.max_publish_bytes_per_second != 0),
      publish_rate_(broker.options.max_publishes_per_second, opened),
      byte_rate_(broker.options.max_publish_bytes_per_second, opened) {}

Session::Received Session::receive(std::string_view bytes, Moment now, std::string& out,
                                   AckQueue& acks) {
  if (state_ != State::awaiting_connect) heard_ = now.ticks;
  Received result;
  if (state_ == State::closed) {
    result.next = Next::close;
  } else if (state_ == State::awaiting_authentication) {
    result.next = verdict_ ? admit(now, out) : Next::authenticate;
  } else if (state_ == State::awaiting_take_over) {
    result.next = begin(now, out);
  }
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
    const bool connects = state_ == State::awaiting_connect;
    if (found.status == mqtt::FrameResult::Status::error) {
      result.next = fail(found.error, out);
    } else {
      ++passed_.received;
      result.next = found.frame.type == PacketType::publish && state_ == State::connected
                        ? on_publish(found.frame, now, out, acks)
                        : handle(found.frame, now, out, acks);
    }
    // A CONNECT that waits is done but for its answer; else the packet must be given again.
    if (connects || (result.next != Next::stall && result.next != Next::hold)) {
      result.consumed += found.frame.size;
    }
  }
  tell_traffic();
  return result;
}

Session::Next Session::handle(const mqtt::Frame& frame, Moment now, std::string& out,
                              AckQueue& acks) {
  if (state_ == State::awaiting_connect) {
    if (frame.type != PacketType::connect) {
      return fail({ReasonCode::protocol_error, "first packet is not CONNECT [MQTT-3.1.0-1]"}, out);
    }
    const Next next = on_connect(frame, out);
    return next == Next::read ? admit(now, out) : next;
  }
  switch (frame.type) {
    case PacketType::pubrel:
      return on_pubrel(frame, out, acks);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubcomp:
      return on_client_ack(frame, out);
    case PacketType::subscribe:
      return on_subscribe(frame, now, out, acks);
    case PacketType::unsubscribe:
      return on_unsubscribe(frame, out, acks);
    case PacketType::pingreq: {
      const auto ping = mqtt::decode_pingreq(frame);
      if (!ping) return fail(ping.error(), out);
      mqtt::encode_pingresp(out);
      broker_.ledger.passed(self_.thread, Traffic::messages_sent);
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

void Session::answer_pings(std::string& bytes, std::size_t& from, std::string& out) {
  if (state_ != State::connected) return;
  std::size_t to = from;
  for (;;) {
    const mqtt::FrameResult found =
        mqtt::next_frame(std::string_view(bytes).substr(from), broker_.options.max_packet_bytes);
    // What is wrong with the rest is said in its turn.
    if (found.status != mqtt::FrameResult::Status::frame) break;
    if (found.frame.type == PacketType::pingreq && found.frame.body.empty()) {
      mqtt::encode_pingresp(out);
      ++passed_.received;
      ++passed_.sent;
    } else {
      std::memmove(bytes.data() + to, bytes.data() + from, found.frame.size);
      to += found.frame.size;
    }
    from += found.frame.size;
  }
  bytes.erase(to, from - to);
  from = to;
}

void Session::tell_traffic() noexcept {
  const auto tell = [&](Traffic what, std::uint64_t& n) {
    if (n != 0) broker_.ledger.passed(self_.thread, what, std::exchange(n, 0));
  };
  tell(Traffic::messages_received, passed_.received);
  tell(Traffic::messages_sent, passed_.sent);
  tell(Traffic::publishes_received, passed_.publishes);
  tell(Traffic::publish_bytes_received, passed_.publish_bytes);
}

Session::Next Session::fail(Error error, std::string& out) {
  count(broker_.counters.protocol_errors);
  reason_ = error.reason;
  disconnect(error.code, out);
  return Next::close;
}

Session::Next Session::no_room(storage::AppendError error, std::string& out) {
  switch (error) {
    case storage::AppendError::full:
    case storage::AppendError::busy:
      count(broker_.counters.stalls);
      return Next::stall;
    case storage::AppendError::too_large:
      return fail({ReasonCode::packet_too_large, "larger than the journal's open buffer"}, out);
    case storage::AppendError::stopped:
      break;
  }
  reason_ = "the journal has stopped";
  disconnect(ReasonCode::server_unavailable, out);
  return Next::close;
}

void Session::disconnect(ReasonCode code, std::string& out) {
  // Before the CONNACK a server sends no DISCONNECT [MQTT-3.14.0-1]; 3.1.1 servers never do.
  if (state_ == State::connected && version_ == Version::v5) mqtt::encode_disconnect(out, code);
  if (state_ == State::connected) end_ = code;
  state_ = State::closed;
}

Session::Next Session::on_disconnect(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_disconnect(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  if (decoded->session_expiry_interval) {
    const std::chrono::seconds asked(*decoded->session_expiry_interval);
    if (asked_expiry_.count() == 0 && asked.count() != 0) {  // [MQTT-3.14.2-2]
      return fail({ReasonCode::protocol_error,
                   "DISCONNECT gives an expiry to a session that had none [MQTT-3.14.2-2]"},
                  out);
    }
    // One that was refused to outlive its connection does not come to that by the back door.
    if (expiry_.count() > 0) expiry_ = std::min(asked, broker_.options.max_session_expiry);
  }
  // Only a plain DISCONNECT takes the Will back [MQTT-3.14.4-3]; in 3.1.1 there is no other.
  if (decoded->code == ReasonCode::success) session_->will.reset();
  end_ = decoded->code;
  state_ = State::closed;
  return Next::close;
}

Session::Next Session::tick(Moment now, bool waits_for_us, std::string& out) {
  if (state_ == State::awaiting_connect) {
    if (now.ticks - heard_ < broker_.options.connect_timeout) return Next::read;
    reason_ = "no CONNECT within the connect time-out";
    state_ = State::closed;
    return Next::close;
  }
  if (state_ == State::connected) {
    if (identity_.expires && *identity_.expires <= now.wall) {
      reason_ = "the client's token has expired";
      disconnect(ReasonCode::not_authorized, out);
      return Next::close;
    }
    if (broker_.acl && broker_.acl->generation() != acl_generation_) drop_denied_subscriptions();
  }
  if (waits_for_us || state_ != State::connected) {
    heard_ = now.ticks;
    return Next::read;
  }
  // One and a half times the Keep Alive [MQTT-3.1.2-22].
  if (keep_alive_ == 0 || now.ticks - heard_ < std::chrono::milliseconds(1500) * keep_alive_) {
    return Next::read;
  }
  count(broker_.counters.keep_alive_timeouts);
  reason_ = "keep alive time-out [MQTT-3.1.2-22]";
  disconnect(ReasonCode::keep_alive_timeout, out);
  return Next::close;
}

void Session::tell_presence() const {
  if (!broker_.presence) return;
  PresenceEvent event{.client_id = client_id_,
                      .user = identity_.user,
                      .address = peer_.address,
                      .protocol = version_};
  if (state_ == State::connected) {
    event.clean_start = clean_start_;
    event.session_present = present_;
  } else {
    event.what = end_ == ReasonCode::session_taken_over ? PresenceEvent::What::taken_over
                                                        : PresenceEvent::What::disconnected;
    event.reason = end_ ? reason_name(*end_) : reason_closed;
  }
  broker_.presence->record(event);
}

void Session::closed(Moment now) {
  state_ = State::closed;
  if (!session_) return;
  if (!owns_session_) {  // whoever has it does what is due
    return broker_.registry.leave(client_id_, self_, SessionState::Ticks::max());
  }
  SessionState& s = *session_;
  if (began_) {
    broker_.inbox.put(Detach{client_id_, self_});
    tell_presence();
  }
  if (told_) {
    if (!began_) s.will.reset();  // the client was never let in
    broker_.keep(s, expiry_.count() > 0);
    s.expiry = expiry_;
    s.until = now.ticks + expiry_;
    s.left_at = now.wall;
    if (s.will) s.will_at = now.ticks + std::min(s.will->delay, expiry_);
  } else if (voided_) {
    broker_.keep(s, false);
  }
  broker_.registry.leave(client_id_, self_, broker_.depart(s, now, self_.thread));
}

}  // namespace rowgate::broker
