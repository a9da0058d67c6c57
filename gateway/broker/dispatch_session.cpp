// Sessions, their subscriptions, and the groups of shared subscriptions.
#include <algorithm>

#include "gateway/broker/dispatch_state.hpp"
#include "gateway/mqtt/publish.hpp"

namespace rowgate::broker {

SharedGroup::Member* SharedGroup::member(const ClientState& client) noexcept {
  for (Member& m : members) {
    if (m.client == &client) return &m;
  }
  return nullptr;
}

/// From the journal only sessions recorded there are meant. From the inbox mostly the others, but
/// also one that is recorded and yet ends with this connection.
ClientState* Dispatch::State::find(std::string_view client_id, bool journal) noexcept {
  if (!journal) {
    if (const auto it = ephemeral.find(client_id); it != ephemeral.end()) return it->second.get();
  }
  const auto it = recorded.find(client_id);
  return it == recorded.end() ? nullptr : it->second.get();
}

ClientState* Dispatch::State::find_durable(std::string_view client_id) noexcept {
  ClientState* client = find(client_id, true);
  return client != nullptr && client->durable ? client : nullptr;
}

SharedGroup* Dispatch::State::find_group(std::string_view share) noexcept {
  const auto it = groups.find(share);
  return it == groups.end() ? nullptr : it->second.get();
}

void Dispatch::State::take(const SessionEvent& event, const Source& source) {
  std::visit([&](const auto& e) { on(e, source); }, event);
}

// ---- Sessions -----------------------------------------------------------------------------------

void Dispatch::State::on(const event::Began& e, const Source& source) {
  if (source.journal) {  // a session that ended with its connection is over, said or not
    if (const auto old = ephemeral.find(e.client_id); old != ephemeral.end()) remove(*old->second);
  }
  auto& clients = source.journal ? recorded : ephemeral;
  auto it = clients.find(e.client_id);
  const bool fresh = it == clients.end();
  if (fresh) {
    it =
        clients.emplace(std::string(e.client_id), std::make_unique<ClientState>(e.client_id)).first;
  }
  ClientState& client = *it->second;
  // One that did not outlive its connection cannot go on.
  if (!fresh && (e.anew || !client.durable)) empty(client);
  client.recorded = source.journal;
  const bool durable = source.journal && (e.expiry > 0 || (client.durable && !e.anew));
  if (durable != client.durable) {
    client.durable = durable;
    counters.sessions.fetch_add(durable ? 1 : std::uint64_t(-1), std::memory_order_relaxed);
  }
  client.user = e.user;
  client.expiry = e.expiry;
  client.left_at.reset();
  client.will.reset();
  if (e.will) {
    client.will = Will{std::string(e.will->topic),
                       std::string(e.will->payload),
                       std::string(e.will->properties),
                       e.will->qos,
                       e.will->retain,
                       e.will->delay};
  }
  if (client.recorded) save(client, fresh);
}

void Dispatch::State::on(const event::Left& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client == nullptr) return;
  client->left_at = e.at;
  client->expiry = e.expiry;
  if (!e.will_pending) client->will.reset();
  if (client->recorded) save(*client, false);
}

void Dispatch::State::on(const event::WillDone& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client == nullptr || !client->will) return;
  client->will.reset();
  if (client->recorded) save(*client, false);
}

void Dispatch::State::on(const event::Ended& e, const Source& source) {
  if (ClientState* client = find(e.client_id, source.journal)) remove(*client);
}

void Dispatch::State::empty(ClientState& client) {
  while (!client.filters.empty()) {
    const std::string filter = client.filters.begin()->first;
    unsubscribe(client, filter);
  }
  client.queue.for_each([&](const Copy& copy) {
    if (copy.durable) changes.erase(key_of(client, copy));
    let_go(copy);
  });
  client.queue.clear();
  while (!client.in_flight.empty()) {
    const auto it = client.in_flight.begin();
    const CopyInFlight& flight = it->second;
    // At QoS 1 another member may have it; at QoS 2 nobody else may, once it was sent
    // [MQTT-4.8.2-5].
    const bool goes_back = !flight.shared.empty() && !flight.received &&
                           (flight.copy.qos == mqtt::QoS::at_least_once || !flight.sent);
    // Whether a durable one was sent is not known when the journal is read again.
    const bool known = !client.durable || flight.copy.qos == mqtt::QoS::at_least_once;
    if (goes_back && known) {
      give_back(take_back(client, it->first));
    } else {
      finish(client, it->first);
    }
  }
  client.reserved.clear();
  client.window_bytes = 0;
  client.to_send.clear();
  client.on_wire = 0;
  client.attached.reset();
}

void Dispatch::State::remove(ClientState& client) {
  empty(client);
  std::erase(dirty, &client);
  if (client.durable) counters.sessions.fetch_sub(1, std::memory_order_relaxed);
  if (client.recorded) {
    changes.erase(store_key(StoreKey::session, client.name));
    recorded.erase(recorded.find(client.name));
  } else {
    ephemeral.erase(ephemeral.find(client.name));
  }
}

void Dispatch::State::save(const ClientState& client, bool fresh) {
  std::string key = store_key(StoreKey::session, client.name);
  if (fresh) {
    changes.add(std::move(key), encode_session(client));
  } else {
    changes.set(std::move(key), encode_session(client));
  }
}

// ---- Subscriptions ------------------------------------------------------------------------------

void Dispatch::State::on(const event::Subscribed& e, const Source& source) {
  ClientState* client = find(e.client_id, source.journal);
  if (client == nullptr) return;
  const bool fresh = !client->filters.contains(e.filter);
  subscribe(*client, e.filter, e.options, source.at);
  if (!client->durable) return;
  std::string key = store_key(StoreKey::subscription, client->name, e.filter);
  if (fresh) {
    changes.add(std::move(key), encode_options(e.options));
  } else {
    changes.set(std::move(key), encode_options(e.options));
  }
}

void Dispatch::State::on(const event::Unsubscribed& e, const Source& source) {
  if (ClientState* client = find(e.client_id, source.journal)) unsubscribe(*client, e.filter);
}

void Dispatch::State::subscribe(ClientState& client, std::string_view filter,
                                const SubscriptionOptions& subscription, storage::Position since) {
  const auto [it, fresh] = client.filters.insert_or_assign(std::string(filter), subscription);
  if (fresh) counters.subscriptions.fetch_add(1, std::memory_order_relaxed);
  if (mqtt::shared_filter(filter)) {
    join(client, filter, subscription, since);
  } else {
    trie.add(filter, client, subscription, since);
  }
}

void Dispatch::State::unsubscribe(ClientState& client, std::string_view filter) {
  const auto it = client.filters.find(filter);
  if (it == client.filters.end()) return;
  counters.subscriptions.fetch_sub(1, std::memory_order_relaxed);
  if (client.durable) changes.erase(store_key(StoreKey::subscription, client.name, filter));
  if (mqtt::shared_filter(filter)) {
    if (SharedGroup* group = find_group(filter)) leave(*group, client);
  } else {
    trie.remove(filter, client);
  }
  client.filters.erase(it);
}

// ---- Shared subscriptions -----------------------------------------------------------------------

void Dispatch::State::join(ClientState& client, std::string_view share,
                           const SubscriptionOptions& subscription, storage::Position since) {
  auto it = groups.find(share);
  if (it == groups.end()) {
    it = groups.emplace(std::string(share), std::make_unique<SharedGroup>(share)).first;
    SharedGroup& group = *it->second;
    group.filter = mqtt::shared_filter(group.name)->filter;
    counters.shared_groups.fetch_add(1, std::memory_order_relaxed);
  }
  SharedGroup& group = *it->second;
  // The members' own options shape their copies; the group takes everything.
  trie.add(group.filter, group, {.qos = mqtt::QoS::exactly_once, .retain_as_published = true},
           since);
  if (SharedGroup::Member* known = group.member(client)) {
    known->options = subscription;
    return;
  }
  group.members.push_back({&client, subscription});
  client.groups.push_back(&group);
  if (client.durable) ++group.durable_members;
  mark(group);
}

void Dispatch::State::leave(SharedGroup& group, ClientState& client) {
  const auto member = std::find_if(group.members.begin(), group.members.end(),
                                   [&](const auto& m) { return m.client == &client; });
  if (member == group.members.end()) return;
  group.members.erase(member);
  std::erase(client.groups, &group);
  std::erase_if(group.chosen, [&](const auto& c) { return c.second == &client; });
  if (client.durable && --group.durable_members == 0 && !group.members.empty()) {
    // Nobody is left for whom it would be kept: its copies live as long as its members now.
    std::vector<Copy> copies;
    group.queue.for_each([&](const Copy& copy) { copies.push_back(copy); });
    group.queue.clear();
    for (Copy& copy : copies) {
      changes.erase(key_of(group, copy));
      let_go(copy);
      copy.durable = false;
      hold(copy);
      group.early.push(std::move(copy));
    }
  }
  const bool has_ephemeral = group.members.size() > group.durable_members;
  if (!has_ephemeral) {  // nobody may have them any more
    group.early.for_each([&](const Copy& copy) { let_go(copy); });
    group.early.clear();
  }
  if (!group.members.empty()) return mark(group);
  group.queue.for_each([&](const Copy& copy) {
    changes.erase(key_of(group, copy));
    let_go(copy);
  });
  trie.remove(group.filter, group);
  std::erase(dirty_groups, &group);
  counters.shared_groups.fetch_sub(1, std::memory_order_relaxed);
  groups.erase(groups.find(group.name));
}

}  // namespace rowgate::broker
