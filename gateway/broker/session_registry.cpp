#include "gateway/broker/session_registry.hpp"

namespace rowgate::broker {

void SessionRegistry::schedule(Entry& entry, std::optional<Ticks> due) {
  const std::string_view id = entry.state->client_id;
  if (entry.due) due_.erase({*entry.due, id});
  entry.due = due;
  if (due) due_.emplace(*due, id);
}

SessionRegistry::Claim SessionRegistry::claim(std::string_view client_id, std::string_view user,
                                              ConnectionRef by) {
  const std::lock_guard lock(mutex_);
  auto it = entries_.find(client_id);
  if (it == entries_.end()) {
    auto state = std::make_shared<SessionState>(client_id);
    const std::string_view key = state->client_id;
    it = entries_.emplace(key, Entry{std::move(state), {}, {}}).first;
  }
  Entry& entry = it->second;
  if (entry.state->user != user) {
    // One that has ended, or is new, is anybody's. Only without a connection is it ours to look at.
    if (entry.connection || entry.state->known) return {};
    entry.state->user = user;
  }
  schedule(entry, std::nullopt);
  Claim claim{entry.state, entry.connection};
  entry.connection = by;
  return claim;
}

void SessionRegistry::leave(std::string_view client_id, ConnectionRef by,
                            std::optional<Ticks> due) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(client_id);
  if (it == entries_.end() || it->second.connection != by) return;
  it->second.connection.reset();
  if (due) {
    schedule(it->second, due);
  } else {
    entries_.erase(it);
  }
}

void SessionRegistry::restore(std::shared_ptr<SessionState> state, Ticks due) {
  const std::lock_guard lock(mutex_);
  const std::string_view key = state->client_id;
  const auto [it, is_new] = entries_.emplace(key, Entry{std::move(state), {}, {}});
  if (is_new) schedule(it->second, due);
}

void SessionRegistry::visit_due(Ticks now,
                                const std::function<std::optional<Ticks>(SessionState&)>& visit) {
  const std::lock_guard lock(mutex_);
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto it = entries_.find(due_.begin()->second);
    const std::optional<Ticks> next = visit(*it->second.state);
    schedule(it->second, next);
    if (!next) entries_.erase(it);
    if (next && *next <= now) return;
  }
}

std::size_t SessionRegistry::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace rowgate::broker
