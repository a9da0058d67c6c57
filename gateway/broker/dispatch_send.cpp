// What goes out: to whom, when, and under which packet id.
#include <algorithm>

#include "gateway/broker/dispatch_state.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/publish.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketId;
using mqtt::QoS;

bool is_expired(const Copy& copy, Timestamp now) noexcept {
  return copy.message->expires && *copy.message->expires <= now;  // [MQTT-3.3.2-5]
}

std::size_t taken(const ClientState& client) noexcept {
  return client.in_flight.size() + client.reserved.size();
}

}  // namespace

// ---- Connections --------------------------------------------------------------------------------

void Dispatch::State::attach(Attach&& a) {
  ClientState* client = find(a.client_id, false);
  if (client == nullptr) return;  // it has ended meanwhile
  client->attached = std::move(a);
  client->to_send.clear();
  client->on_wire = 0;
  // In the order of before, under the same packet ids [MQTT-4.4.0-1].
  std::vector<std::pair<std::uint64_t, PacketId>> order;
  order.reserve(client->in_flight.size());
  for (auto& [id, flight] : client->in_flight) {
    flight.on_wire = false;
    order.emplace_back(flight.order, id);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [at, id] : order) {
    CopyInFlight& flight = client->in_flight.at(id);
    if (!flight.received) {
      client->to_send.push_back(id);
      continue;
    }
    flight.on_wire = true;
    ++client->on_wire;
    send_release(*client, id);
  }
  mark(*client);
  mark_groups_of(*client);
}

void Dispatch::State::detach(ClientState& client) {
  client.attached.reset();
  client.to_send.clear();
  client.on_wire = 0;
  for (auto& [id, flight] : client.in_flight) flight.on_wire = false;
  mark(client);
  mark_groups_of(client);
}

void Dispatch::State::send(ClientState& client, const Copy& copy, PacketId id, bool dup) {
  Delivery delivery;
  delivery.message = copy.message;
  delivery.to = client.attached->connection;
  delivery.packet_id = id;
  delivery.qos = copy.qos;
  delivery.retain = copy.retain;
  delivery.dup = dup;
  delivery.identifiers = copy.identifiers;
  counters.sent.fetch_add(1, std::memory_order_relaxed);
  deliver(std::move(delivery));
}

void Dispatch::State::send_now(ClientState& client, const Copy& copy) {
  if (too_large(client, copy)) return count(Unsendable::too_large);
  send(client, copy, 0, false);
}

void Dispatch::State::send_release(ClientState& client, PacketId id) {
  Delivery delivery;
  delivery.to = client.attached->connection;
  delivery.packet_id = id;
  deliver(std::move(delivery));
}

// ---- Rounds -------------------------------------------------------------------------------------

void Dispatch::State::mark(ClientState& client) {
  if (!client.dirty) dirty.push_back(&client);
  client.dirty = true;
}

void Dispatch::State::mark(SharedGroup& group) {
  if (!group.dirty) dirty_groups.push_back(&group);
  group.dirty = true;
}

void Dispatch::State::mark_groups_of(const ClientState& client) {
  for (SharedGroup* group : client.groups) mark(*group);
}

bool Dispatch::State::pump_round(Timestamp now) {
  bool stuck = false;
  const auto each = [&](auto& marked) {
    const auto round = std::move(marked);
    marked.clear();
    for (auto* one : round) one->dirty = false;
    for (auto* one : round) {
      if (pump(*one, now)) continue;
      mark(*one);
      stuck = true;
    }
  };
  each(dirty_groups);  // what they hand out is sent by their members
  each(dirty);
  return !stuck && (!dirty.empty() || !dirty_groups.empty());
}

bool Dispatch::State::pump(ClientState& client, Timestamp now) {
  if (!client.attached) return return_shared(client);
  return send_ready(client, now) && pump_own(client, now) && send_ready(client, now);
}

bool Dispatch::State::pump_own(ClientState& client, Timestamp now) {
  CopyQueue& queue = client.queue;
  while (!queue.idle()) {
    const Copy& copy = queue.front();
    if (const auto why = unsendable(client, copy, now); why != Unsendable::no) {
      if (!drop_front(queue, client.name, {}, why)) return false;
      continue;
    }
    if (!has_window(client, copy)) break;
    const PacketId id = next_id(client);
    if (copy.durable) {
      if (!decide(event::Assigned{client.name, copy.id, id, {}})) return false;
      client.reserved.emplace(id, copy.bytes());
      client.window_bytes += copy.bytes();
      queue.decide_front();
    } else {
      start(client, queue.take_front(), id, {}, ++sequence);
      if (!send_ready(client, now)) return false;
    }
  }
  return true;
}

bool Dispatch::State::send_ready(ClientState& client, Timestamp now) {
  const std::size_t limit = std::max<std::size_t>(client.attached->receive_maximum, 1);
  while (!client.to_send.empty() && client.on_wire < limit) {
    const PacketId id = client.to_send.front();
    const auto it = client.in_flight.find(id);
    if (it != client.in_flight.end() && !it->second.leaving && !it->second.on_wire &&
        !it->second.received) {
      CopyInFlight& flight = it->second;
      const bool late = !flight.sent && is_expired(flight.copy, now);
      if (late || too_large(client, flight.copy)) {
        if (!abandon(client, id, late ? Unsendable::expired : Unsendable::too_large)) return false;
      } else {
        send(client, flight.copy, id, flight.sent);
        flight.sent = flight.on_wire = true;
        ++client.on_wire;
      }
    }
    client.to_send.pop_front();
  }
  return true;
}

// The next connection cannot take what the one before could, or the copy has become too old between
// the decision and its turn.
bool Dispatch::State::abandon(ClientState& client, PacketId id, Unsendable why) {
  CopyInFlight& flight = client.in_flight.at(id);
  if (flight.copy.durable && client.durable) {
    // At QoS 2 the client may hold the id, and would take another message under it for this one:
    // so it is asked to release it, as if it had got the whole message.
    const bool held = flight.sent && flight.copy.qos == QoS::exactly_once;
    if (!(held ? decide(event::Received{client.name, id}) : decide(event::Done{client.name, id}))) {
      return false;
    }
    flight.leaving = true;
  } else {
    finish(client, id);
  }
  count(why);
  return true;
}

// QoS 1 may go to another member as soon as the connection is gone; QoS 2 must wait for its client,
// once it was sent [MQTT-4.8.2-4].
bool Dispatch::State::return_shared(ClientState& client) {
  std::vector<PacketId> ids;
  for (const auto& [id, flight] : client.in_flight) {
    if (flight.shared.empty() || flight.received || flight.leaving) continue;
    if (flight.copy.qos == QoS::exactly_once && flight.sent) continue;
    ids.push_back(id);
  }
  for (const PacketId id : ids) {
    if (client.durable) {
      if (!decide(event::Returned{client.name, id})) return false;
      client.in_flight.at(id).leaving = true;
    } else {
      give_back(take_back(client, id));
    }
  }
  return true;
}

// ---- Shared subscriptions -----------------------------------------------------------------------

bool Dispatch::State::pump(SharedGroup& group, Timestamp now) {
  return hand_out(group, group.early, now) && hand_out(group, group.queue, now);
}

bool Dispatch::State::hand_out(SharedGroup& group, CopyQueue& queue, Timestamp now) {
  while (!queue.idle()) {
    const Copy& copy = queue.front();
    if (is_expired(copy, now)) {
      if (!drop_front(queue, {}, group.name, Unsendable::expired)) return false;
      continue;
    }
    bool never = false;
    SharedGroup::Member* member = pick(group, copy, never);
    if (member == nullptr) {
      if (!never) break;
      if (!drop_front(queue, {}, group.name, Unsendable::too_large)) return false;
      continue;
    }
    ClientState& client = *member->client;
    const QoS qos = std::min(copy.qos, member->options.qos);
    const PacketId id = qos == QoS::at_most_once ? PacketId{0} : next_id(client);
    if (!copy.durable) {
      Copy mine = queue.take_front();
      if (id == 0) let_go(mine);
      hand_over(group, *member, std::move(mine), id, ++sequence);
      continue;
    }
    if (!decide(event::Assigned{client.name, copy.id, id, group.name})) return false;
    if (id != 0) {
      client.reserved.emplace(id, copy.bytes());
      client.window_bytes += copy.bytes();
    }
    if (!client.durable) group.chosen[copy.id] = &client;
    queue.decide_front();
  }
  return true;
}

// The one with the fewest in flight, in turns among equals.
SharedGroup::Member* Dispatch::State::pick(SharedGroup& group, const Copy& copy, bool& never) {
  SharedGroup::Member* best = nullptr;
  std::size_t best_at = 0;
  bool too_small = false, busy = false;
  const std::size_t count = group.members.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (group.turn + i) % count;
    SharedGroup::Member& member = group.members[at];
    const ClientState& client = *member.client;
    if (!client.attached) continue;
    const QoS qos = std::min(copy.qos, member.options.qos);
    if (copy.qos != QoS::at_most_once && !copy.durable && client.durable) continue;
    if (too_large(client, copy)) {
      too_small = true;
    } else if (qos != QoS::at_most_once && !has_window(client, copy)) {
      busy = true;
    } else if (best == nullptr || taken(client) < taken(*best->client)) {
      best = &member;
      best_at = at;
    }
  }
  never = best == nullptr && too_small && !busy;
  if (best != nullptr) group.turn = (best_at + 1) % count;
  return best;
}

// ---- Limits and decisions -----------------------------------------------------------------------

bool Dispatch::State::has_window(const ClientState& client, const Copy& copy) const noexcept {
  const std::size_t limit =
      std::max<std::size_t>(std::min(client.attached->receive_maximum, options.max_in_flight), 1);
  const std::size_t now = taken(client);
  return now < limit &&
         (now == 0 || client.window_bytes + copy.bytes() <= options.max_in_flight_bytes);
}

Dispatch::State::Unsendable Dispatch::State::unsendable(const ClientState& client, const Copy& copy,
                                                        Timestamp now) const {
  if (is_expired(copy, now)) return Unsendable::expired;
  return too_large(client, copy) ? Unsendable::too_large : Unsendable::no;
}

bool Dispatch::State::too_large(const ClientState& client, const Copy& copy) const {
  const std::uint32_t limit = client.attached->maximum_packet_size;
  const LiveMessage& m = *copy.message;
  // No packet has more around it than this: so most need no closer look.
  const std::size_t around = 64 + 5 * copy.identifiers.size();
  if (m.topic.size() + m.payload.size() + m.properties.size() + around <= limit) return false;
  std::string properties;
  if (client.attached->version == mqtt::Version::v5) {
    properties = m.properties;
    for (const std::uint32_t id : copy.identifiers) {
      mqtt::append_subscription_identifier(properties, id);
    }
    if (m.expires) mqtt::append_message_expiry_interval(properties, 0);
  }
  const mqtt::OutgoingPublish publish{.topic = m.topic,
                                      .payload = m.payload,
                                      .properties = properties,
                                      .packet_id = PacketId{copy.qos != QoS::at_most_once},
                                      .qos = copy.qos};
  return mqtt::publish_size(client.attached->version, publish) > limit;  // [MQTT-3.1.2-24]
}

void Dispatch::State::count(Unsendable why) noexcept {
  auto& counter = why == Unsendable::expired ? counters.expired : counters.too_large;
  counter.fetch_add(1, std::memory_order_relaxed);
}

bool Dispatch::State::drop_front(CopyQueue& queue, std::string_view client_id,
                                 std::string_view shared, Unsendable why) {
  if (queue.front().durable) {
    if (!decide(event::Dropped{client_id, queue.front().id, shared})) return false;
    queue.decide_front();
  } else {
    let_go(queue.take_front());
  }
  count(why);
  return true;
}

// Precondition: the window is open, so some id is free.
PacketId Dispatch::State::next_id(ClientState& client) const {
  do {
    ++client.last_id;
  } while (client.last_id == 0 || client.in_flight.contains(client.last_id) ||
           client.reserved.contains(client.last_id));
  return client.last_id;
}

bool Dispatch::State::decide(const SessionEvent& event) {
  event_bytes.clear();
  encode(event, event_bytes);
  return append(event_bytes).has_value();
}

}  // namespace rowgate::broker
