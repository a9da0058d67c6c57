// Copies: how they come into being, wait, are in flight, and go.
#include <algorithm>

#include "gateway/broker/dispatch_state.hpp"

namespace rowgate::broker {

using mqtt::PacketId;
using mqtt::QoS;

void Dispatch::State::publish(const std::shared_ptr<const LiveMessage>& message,
                              std::vector<Match>& to, CopyId id) {
  for (Match& match : to) {
    const QoS qos = std::min(match.qos, message->qos);
    Copy copy{.id = id,
              .message = message,
              .qos = qos,
              .retain = message->retain && match.retain_as_published,
              .durable = false,
              .identifiers = std::move(match.identifiers)};
    if (match.receiver->group) {
      auto& group = static_cast<SharedGroup&>(*match.receiver);
      if (qos != QoS::at_most_once) {
        copy.durable = group.durable();
        enqueue(group, std::move(copy));
        continue;
      }
      bool never = false;
      if (SharedGroup::Member* member = pick(group, copy, never)) {
        hand_over(group, *member, std::move(copy), 0, 0);
      }
      continue;
    }
    auto& client = static_cast<ClientState&>(*match.receiver);
    if (qos == QoS::at_most_once) {
      if (client.attached) send_now(client, copy);
    } else {
      copy.durable = client.durable && id != 0;
      enqueue(client, std::move(copy));
    }
  }
}

void Dispatch::State::on(const event::Published& e, const Source& source) {
  auto message = std::make_shared<LiveMessage>(LiveMessage{
      std::string(e.message.topic), std::string(e.message.payload),
      std::string(e.message.properties), e.message.qos, e.message.retain, e.message.expires});
  trie.match(message->topic, {}, source.at, matches);
  publish(message, matches, source.at.value);
}

void Dispatch::State::on(const event::Queued& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client == nullptr) return;
  auto message = std::make_shared<LiveMessage>(LiveMessage{
      std::string(e.message.topic), std::string(e.message.payload),
      std::string(e.message.properties), e.message.qos, e.message.retain, e.message.expires});
  Copy copy{.id = source.at.value,
            .message = std::move(message),
            .qos = e.qos,
            .retain = true,
            .durable = source.journal && client->durable,
            .identifiers = {}};
  if (e.identifier != 0) copy.identifiers.push_back(e.identifier);
  if (copy.qos == QoS::at_most_once) {
    if (client->attached) send_now(*client, copy);
  } else {
    enqueue(*client, std::move(copy));
  }
}

// ---- Waiting ------------------------------------------------------------------------------------

// Of durable copies only what is durable counts, so that the same ones are refused after a crash.
bool Dispatch::State::has_room(const CopyQueue& queue, const Copy& copy) const noexcept {
  const std::uint64_t bytes = copy.bytes();
  const std::uint64_t total = durable_bytes + (copy.durable ? 0 : ephemeral_bytes);
  return queue.size() < options.max_queued_messages &&
         queue.bytes() + bytes <= options.max_queued_bytes &&
         total + bytes <= options.max_queued_total;
}

void Dispatch::State::enqueue(ClientState& client, Copy&& copy) {
  if (!has_room(client.queue, copy)) {
    if (!recovering) counters.queue_full.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  hold(copy);
  if (copy.durable) changes.add(key_of(client, copy), encode_copy(copy));
  client.queue.push(std::move(copy));
  if (client.attached) mark(client);
}

void Dispatch::State::enqueue(SharedGroup& group, Copy&& copy) {
  CopyQueue& queue = copy.durable ? group.queue : group.early;
  if (!has_room(queue, copy)) {
    if (!recovering) counters.queue_full.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  hold(copy);
  if (copy.durable) changes.add(key_of(group, copy), encode_copy(copy));
  queue.push(std::move(copy));
  mark(group);
}

void Dispatch::State::hold(const Copy& copy) {
  (copy.durable ? durable_bytes : ephemeral_bytes) += copy.bytes();
  counters.queued_messages.fetch_add(1, std::memory_order_relaxed);
  counters.queued_bytes.fetch_add(copy.bytes(), std::memory_order_relaxed);
  if (!copy.durable) return;
  Content& content = contents[copy.id];
  ++content.copies;
  if (content.message) return;
  content.message = copy.message;
  changes.add(store_key(StoreKey::message, {}, copy.id), copy.message);
}

void Dispatch::State::let_go(const Copy& copy) {
  (copy.durable ? durable_bytes : ephemeral_bytes) -= copy.bytes();
  counters.queued_messages.fetch_sub(1, std::memory_order_relaxed);
  counters.queued_bytes.fetch_sub(copy.bytes(), std::memory_order_relaxed);
  if (!copy.durable) return;
  const auto it = contents.find(copy.id);
  if (--it->second.copies > 0) return;
  contents.erase(it);
  changes.erase(store_key(StoreKey::message, {}, copy.id));
}

std::string Dispatch::State::key_of(const ClientState& client, const Copy& waiting) const {
  return store_key(StoreKey::waiting, client.name, waiting.id);
}
std::string Dispatch::State::key_of(const SharedGroup& group, const Copy& waiting) const {
  return store_key(StoreKey::group_waiting, group.name, waiting.id);
}
std::string Dispatch::State::key_of(const ClientState& client, PacketId id) const {
  return store_key(StoreKey::in_flight, client.name, std::uint64_t{id});
}

void Dispatch::State::save(const ClientState& client, PacketId id, const CopyInFlight& flight,
                           bool fresh) {
  if (fresh) {
    changes.add(key_of(client, id), encode_flight(flight));
  } else {
    changes.set(key_of(client, id), encode_flight(flight));
  }
}

// ---- In flight ----------------------------------------------------------------------------------

// The copy was waiting in the client's queue, or its group's.
void Dispatch::State::start(ClientState& client, Copy&& copy, PacketId id, std::string_view shared,
                            std::uint64_t order) {
  CopyInFlight& flight = client.in_flight[id];
  flight.bytes = copy.bytes();
  flight.copy = std::move(copy);
  flight.shared = shared;
  flight.order = order;
  flight.sent = recovering;  // nobody knows
  client.window_bytes += flight.bytes;
  if (flight.copy.durable && client.durable) save(client, id, flight, true);
  if (client.attached) client.to_send.push_back(id);
  if (client.attached || !shared.empty()) mark(client);
}

CopyInFlight Dispatch::State::take_back(ClientState& client, PacketId id) {
  const auto it = client.in_flight.find(id);
  CopyInFlight flight = std::move(it->second);
  client.in_flight.erase(it);
  client.window_bytes -= flight.bytes;
  if (flight.on_wire) --client.on_wire;
  if (flight.copy.durable && client.durable) changes.erase(key_of(client, id));
  if (client.attached) mark(client);
  mark_groups_of(client);
  return flight;
}

void Dispatch::State::finish(ClientState& client, PacketId id) {
  const CopyInFlight flight = take_back(client, id);
  if (!flight.copy.message) return;  // received, and let go then
  if (flight.copy.durable && !client.durable) {
    changes.erase(store_key(StoreKey::group_waiting, flight.shared, flight.copy.id));
  }
  let_go(flight.copy);
}

void Dispatch::State::give_back(CopyInFlight&& flight) {
  Copy& copy = flight.copy;
  const std::string key = store_key(StoreKey::group_waiting, flight.shared, copy.id);
  SharedGroup* group = find_group(flight.shared);
  const bool durable = group != nullptr && group->durable();
  if (copy.durable && !durable) {
    changes.erase(key);
    let_go(copy);
    copy.durable = false;
    if (group != nullptr) hold(copy);
  } else if (group == nullptr) {
    let_go(copy);
  }
  if (group == nullptr) return;
  if (!copy.durable && group->members.size() == group->durable_members) return let_go(copy);
  copy.qos = copy.message->qos;
  copy.retain = copy.message->retain;
  copy.identifiers.clear();
  if (copy.durable) changes.set(key, encode_copy(copy));
  (copy.durable ? group->queue : group->early).push(std::move(copy));
  mark(*group);
}

void Dispatch::State::hand_over(SharedGroup& group, SharedGroup::Member& member, Copy&& copy,
                                PacketId id, std::uint64_t order) {
  ClientState& client = *member.client;
  const SubscriptionOptions& subscription = member.options;
  copy.qos = id == 0 ? QoS::at_most_once
                     : std::max(QoS::at_least_once, std::min(copy.qos, subscription.qos));
  copy.retain = copy.message->retain && subscription.retain_as_published;
  copy.identifiers.clear();
  if (subscription.identifier != 0) copy.identifiers.push_back(subscription.identifier);
  if (id == 0) {
    if (client.attached) send_now(client, copy);
    return;
  }
  // At a client that a crash would end, the copy stays the group's in the store.
  if (copy.durable && client.durable) changes.erase(key_of(group, copy));
  start(client, std::move(copy), id, group.name, order);
}

void Dispatch::State::release_reserved(ClientState* client, PacketId id) noexcept {
  if (client == nullptr) return;
  const auto it = client->reserved.find(id);
  if (it == client->reserved.end()) return;
  client->window_bytes -= it->second;
  client->reserved.erase(it);
}

// ---- Decisions and acknowledgements -------------------------------------------------------------

// The rules are the same for a decision just made and for one read again after a crash, when those
// who were not durable are gone. Where it cannot take effect the copy waits on, for a new decision.
void Dispatch::State::on(const event::Assigned& e, const Source& source) {
  const auto away = ephemeral.find(e.client_id);
  if (away != ephemeral.end()) release_reserved(away->second.get(), e.packet_id);
  ClientState* client = find_durable(e.client_id);
  release_reserved(find(e.client_id, true), e.packet_id);
  const std::uint64_t order = source.at.value;
  if (e.shared.empty()) {
    if (client == nullptr) return;
    auto copy = client->queue.take(e.copy);
    if (!copy) return;
    if (client->in_flight.contains(e.packet_id)) {
      client->queue.push(std::move(*copy));
      return mark(*client);
    }
    changes.erase(key_of(*client, *copy));
    return start(*client, std::move(*copy), e.packet_id, {}, order);
  }
  SharedGroup* group = find_group(e.shared);
  if (group == nullptr) return;
  if (const auto chosen = group->chosen.find(e.copy); chosen != group->chosen.end()) {
    client = chosen->second;
    release_reserved(client, e.packet_id);
    group->chosen.erase(chosen);
  }
  auto copy = group->queue.take(e.copy);
  CopyQueue* queue = &group->queue;
  if (!copy) {  // the group was durable when it was decided
    copy = group->early.take(e.copy);
    queue = &group->early;
  }
  if (!copy) return;
  SharedGroup::Member* member = client == nullptr ? nullptr : group->member(*client);
  if (member == nullptr || (!copy->durable && client->durable) ||
      (e.packet_id != 0 && client->in_flight.contains(e.packet_id))) {
    queue->push(std::move(*copy));
    return mark(*group);
  }
  if (e.packet_id == 0) {
    if (copy->durable) changes.erase(key_of(*group, *copy));
    const Copy gone = *copy;
    hand_over(*group, *member, std::move(*copy), 0, 0);
    let_go(gone);
    return;
  }
  hand_over(*group, *member, std::move(*copy), e.packet_id, order);
}

void Dispatch::State::on(const event::Dropped& e, const Source&) {
  if (e.shared.empty()) {
    ClientState* client = find_durable(e.client_id);
    if (client == nullptr) return;
    if (const auto copy = client->queue.take(e.copy)) {
      changes.erase(key_of(*client, *copy));
      let_go(*copy);
    }
    return;
  }
  SharedGroup* group = find_group(e.shared);
  if (group == nullptr) return;
  auto copy = group->queue.take(e.copy);
  if (!copy) copy = group->early.take(e.copy);
  if (!copy) return;
  if (copy->durable) changes.erase(key_of(*group, *copy));
  let_go(*copy);
}

void Dispatch::State::on(const event::Received& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client == nullptr) return;
  const auto it = client->in_flight.find(e.packet_id);
  if (it == client->in_flight.end() || it->second.copy.qos != QoS::exactly_once) return;
  CopyInFlight& flight = it->second;
  if (!flight.received) {
    flight.received = true;
    flight.leaving = false;
    flight.order = source.journal ? source.at.value : ++sequence;
    client->window_bytes -= flight.bytes;
    flight.bytes = 0;
    if (flight.copy.durable && !client->durable) {
      changes.erase(store_key(StoreKey::group_waiting, flight.shared, flight.copy.id));
    }
    let_go(flight.copy);
    flight.copy.message.reset();
    if (flight.copy.durable && client->durable) save(*client, e.packet_id, flight, false);
  }
  if (client->attached) {
    if (!flight.on_wire) ++client->on_wire;
    flight.on_wire = true;
    send_release(*client, e.packet_id);
    mark(*client);  // bytes of its window are free
  }
}

void Dispatch::State::on(const event::Done& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client != nullptr && client->in_flight.contains(e.packet_id)) finish(*client, e.packet_id);
}

void Dispatch::State::on(const event::Returned& e, const Source&) {
  ClientState* client = find_durable(e.client_id);
  if (client == nullptr) return;
  const auto it = client->in_flight.find(e.packet_id);
  if (it == client->in_flight.end() || it->second.shared.empty() || it->second.received) return;
  give_back(take_back(*client, e.packet_id));
}

}  // namespace rowgate::broker
