#include "gateway/broker/dispatch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "gateway/broker/dispatch_state.hpp"
#include "gateway/mqtt/properties.hpp"

namespace rowgate::broker {
namespace {

/// How often expired retained messages are looked for.
constexpr std::int64_t retained_every = 60'000'000;  // us

std::shared_ptr<const LiveMessage> message_of(const storage::PublishRecord& publish) {
  auto message = std::make_shared<LiveMessage>();
  message->topic = publish.topic;
  message->payload = publish.payload;
  mqtt::append_forwarded(message->properties, publish.properties);
  message->qos = static_cast<mqtt::QoS>(publish.qos);
  message->retain = publish.retain;
  if (const auto seconds = mqtt::message_expiry_interval(publish.properties)) {
    message->expires = Timestamp{publish.received_at.micros + std::int64_t{*seconds} * 1'000'000};
  }
  return message;
}

}  // namespace

Dispatch::Dispatch(const DispatchOptions& options, DispatchCounters& counters, Retained& retained,
                   Append append, Deliver deliver)
    : state_(std::make_unique<State>(options, counters, retained, std::move(append),
                                     std::move(deliver))) {}
Dispatch::~Dispatch() = default;

void Dispatch::load(storage::StateStore& store) {
  state_->load(store);
}

bool Dispatch::wants_all_publishes() const noexcept {
  return !state_->trie.empty();
}

void Dispatch::apply(const storage::RecordView& record, Timestamp now) {
  State& s = *state_;
  if (!s.attaching.empty()) {  // its Began may be behind us: QoS 0 is for those who are attached
    reached(record.position);
    attach_due();
  }
  if (record.type == storage::RecordType::event) {
    const auto event = decode_event(record.event);
    if (!event) {
      throw std::runtime_error(fmt::format(
          "the journal holds an event at position {} that this version of the gateway does not "
          "know: it was written by a newer version, or is damaged; start the version that wrote it",
          record.position.value));
    }
    s.take(*event, {true, record.position, now});
    return;
  }
  if (record.type != storage::RecordType::publish) return;
  const storage::PublishRecord& publish = record.publish;
  s.trie.match(publish.topic, publish.client_id, record.position, s.matches);
  if (s.matches.empty() && !publish.retain) return;
  const auto message = message_of(publish);
  if (publish.retain) {
    if (s.recovering) {
      const auto held = s.retained.hold();
      s.retained.set(message);
    }
    const std::string key = store_key(StoreKey::retained, publish.topic);
    // Not there: it found no room, or one behind it was cleared or has expired already.
    if (publish.payload.empty() || !s.retained.has(publish.topic)) {
      s.changes.erase(key);  // [MQTT-3.3.1-6]
    } else {
      s.changes.set(key, message);
    }
  }
  s.publish(message, s.matches, record.position.value);
}

void Dispatch::recovered(const std::function<void(const KeptSession&)>& visit) {
  State& s = *state_;
  s.recovering = false;
  for (const auto& [id, client] : s.recorded) {
    s.mark(*client);  // its copies of shared subscriptions go back, unless it attaches first
    KeptSession kept{.client_id = id,
                     .user = client->user,
                     .expiry = client->expiry,
                     .left_at = client->left_at,
                     .filters = {},
                     .has_will = client->will.has_value(),
                     .will = {}};
    for (const auto& [filter, options] : client->filters) kept.filters.push_back(filter);
    if (client->will) {
      const Will& w = *client->will;
      kept.will = {w.topic, w.payload, w.properties, w.qos, w.retain, w.delay};
    }
    visit(kept);
  }
  for (const auto& [share, group] : s.groups) s.mark(*group);
}

void Dispatch::apply_event(std::string_view bytes, storage::Position since, Timestamp now) {
  const auto event = decode_event(bytes);
  if (!event) throw std::runtime_error("a session told of an event that cannot be read");
  state_->take(*event, {false, since, now});
}

void Dispatch::attach(Attach&& attach, Timestamp) {
  if (attach.after > state_->reached) {
    const storage::Position after = attach.after;
    state_->attaching.emplace(after, std::move(attach));
  } else {
    state_->attach(std::move(attach));
  }
}

void Dispatch::detach(const Detach& detach, Timestamp) {
  State& s = *state_;
  std::erase_if(s.attaching, [&](const auto& a) {
    return a.second.connection == detach.connection && a.second.client_id == detach.client_id;
  });
  for (auto* clients : {&s.ephemeral, &s.recorded}) {
    const auto it = clients->find(detach.client_id);
    if (it == clients->end()) continue;
    ClientState& client = *it->second;
    if (client.attached && client.attached->connection == detach.connection) s.detach(client);
  }
}

void Dispatch::publish(std::shared_ptr<const LiveMessage> message, Timestamp) {
  State& s = *state_;
  s.trie.match(message->topic, {}, {UINT64_MAX}, s.matches);
  s.publish(message, s.matches, 0);
}

void Dispatch::reached(storage::Position position) noexcept {
  state_->reached = std::max(state_->reached, position);
}

void Dispatch::attach_due() {
  State& s = *state_;
  while (!s.attaching.empty() && s.attaching.begin()->first <= s.reached) {
    Attach attach = std::move(s.attaching.extract(s.attaching.begin()).mapped());
    s.attach(std::move(attach));
  }
}

void Dispatch::pump(Timestamp now) {
  State& s = *state_;
  attach_due();
  while (s.pump_round(now)) {
  }
  if (!s.retained_looked_at || now.micros - s.retained_looked_at->micros >= retained_every) {
    s.retained_looked_at = now;
    for (const std::string& topic : s.retained.expire(now)) {
      s.changes.erase(store_key(StoreKey::retained, topic));
    }
  }
}

std::vector<storage::StateStore::Change> Dispatch::take_changes() {
  State& s = *state_;
  if (s.changes.size() == 0) return {};
  if (!s.version_known) {
    s.changes.set(store_key(StoreKey::version), std::string(store_version));
    s.version_known = true;
  }
  return s.changes.take();
}

std::size_t Dispatch::pending_changes() const noexcept {
  return state_->changes.size();
}

}  // namespace rowgate::broker
