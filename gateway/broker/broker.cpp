#include "gateway/broker/broker.hpp"

#include <algorithm>
#include <utility>

#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {
namespace {

using storage::AppendError;
using Ticks = SessionState::Ticks;

std::string encoded(const SessionEvent& event) {
  std::string bytes;
  encode(event, bytes);
  return bytes;
}

std::shared_ptr<const LiveMessage> retained_message(const storage::PublishRecord& record) {
  auto message = std::make_shared<LiveMessage>();
  message->topic = record.topic;
  message->payload = record.payload;
  mqtt::append_forwarded(message->properties, record.properties);
  message->qos = static_cast<mqtt::QoS>(record.qos);
  message->retain = true;
  if (const auto seconds = mqtt::message_expiry_interval(record.properties)) {
    message->expires = Timestamp{record.received_at.micros + std::int64_t{*seconds} * 1'000'000};
  }
  return message;
}

}  // namespace

Broker::NotTold Broker::tell(SessionState& session, const SessionEvent& event) {
  if (!session.journaled) {
    inbox.put(EphemeralEvent{encoded(event), journal.appended()});
    return std::nullopt;
  }
  const auto appended = journal.append_event(encoded(event));
  if (!appended) return appended.error();
  session.last_event = appended->end;
  return std::nullopt;
}

Broker::NotTold Broker::tell_acknowledged(SessionState& session, const SessionEvent& event) {
  if (session.durable) return tell(session, event);
  inbox.put(EphemeralEvent{encoded(event), journal.appended()});
  return std::nullopt;
}

Result<storage::Appended, AppendError> Broker::publish(const storage::PublishRecord& record) {
  if (!record.retain || !options.retain_available) return journal.append(record);
  auto message = retained_message(record);
  const auto lock = retained.hold();
  auto appended = journal.append(record);
  if (appended && !appended->duplicate && !retained.set(std::move(message))) {
    counters.not_retained.fetch_add(1, std::memory_order_relaxed);
  }
  return appended;
}

Broker::NotTold Broker::publish_will(SessionState& session, Moment now, std::size_t thread) {
  const LastWill& will = *session.will;
  const storage::Lane lane = storage::lane_of(session.client_id, journal.lanes());
  const auto appended = publish({.client_id = session.client_id,
                                 .topic = will.topic,
                                 .properties = will.properties,
                                 .payload = will.payload,
                                 .received_at = now.wall,
                                 .lane = lane,
                                 .packet_id = 0,
                                 .qos = static_cast<std::uint8_t>(will.qos),
                                 .retain = will.retain});
  if (!appended && appended.error() != AppendError::too_large) return appended.error();
  if (appended) {
    ledger.received(thread, lane);
    counters.wills.fetch_add(1, std::memory_order_relaxed);
    if (presence) {
      presence->record(
          {.what = PresenceEvent::What::will, .client_id = session.client_id, .topic = will.topic});
    }
  }
  session.will.reset();
  session.will_published = true;
  return std::nullopt;
}

// The Will goes first: a crash behind it publishes it again, one before it loses nothing.
std::optional<Ticks> Broker::depart(SessionState& session, Moment now, std::size_t thread) {
  if (session.known) {
    const bool over = !session.kept || session.until <= now.ticks;
    if (session.will && (over || session.will_at <= now.ticks) &&
        publish_will(session, now, thread)) {
      return now.ticks;
    }
    if (!over) {
      const std::string& id = session.client_id;
      const bool pending = session.will.has_value();
      const auto expiry = static_cast<std::uint32_t>(session.expiry.count());
      NotTold error;
      if (session.left_at) {
        error = tell(session, event::Left{id, *session.left_at, expiry, pending});
      } else if (session.will_published) {
        error = tell(session, event::WillDone{id});
      }
      if (error) return now.ticks;
      session.left_at.reset();
      session.will_published = false;
      return pending ? std::min(session.until, session.will_at) : session.until;
    }
    if (!journal.forget(session.client_id) || tell(session, event::Ended{session.client_id})) {
      return now.ticks;
    }
    if (session.kept) counters.expired_sessions.fetch_add(1, std::memory_order_relaxed);
    session.known = false;
    session.filters.clear();
    keep(session, false);
  }
  // As long as its end may not have taken effect, the client's next session must not begin by the
  // inbox.
  if (!has_taken_effect(session.last_event)) return now.ticks + std::chrono::seconds(1);
  return std::nullopt;
}

void Broker::visit_due(Moment now, std::size_t thread) {
  registry.visit_due(now.ticks,
                     [&](SessionState& session) { return depart(session, now, thread); });
}

void Broker::restore(const KeptSession& kept, Moment now) {
  auto session = std::make_shared<SessionState>(kept.client_id);
  session->user = kept.user;
  session->known = true;
  session->journaled = true;
  session->expiry = std::chrono::seconds(kept.expiry);
  session->filters.insert(kept.filters.begin(), kept.filters.end());
  keep(*session, kept.expiry > 0);
  // A session whose connection the gateway's end cut off is left now, and that has yet to be told.
  const std::chrono::microseconds away(kept.left_at ? now.wall.micros - kept.left_at->micros : 0);
  const Ticks left = now.ticks - std::max(away, std::chrono::microseconds(0));
  session->until = left + session->expiry;
  if (!kept.left_at) {
    session->left_at = now.wall;
    if (presence) {
      presence->record({.what = PresenceEvent::What::disconnected,
                        .client_id = kept.client_id,
                        .reason = reason_killed});
    }
  }
  if (kept.has_will) {
    session->will = LastWill::copy(kept.will);
    session->will_at = left + std::min(session->will->delay, session->expiry);
  }
  const Ticks due = session->will ? std::min(session->will_at, session->until) : session->until;
  registry.restore(std::move(session), kept.left_at ? due : now.ticks);
}

void Broker::keep(SessionState& session, bool kept) {
  if (session.kept == kept) return;
  session.kept = kept;
  if (kept) {
    counters.kept_sessions.fetch_add(1, std::memory_order_relaxed);
  } else {
    counters.kept_sessions.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace rowgate::broker
