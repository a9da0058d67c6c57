#include "gateway/broker/session_registry.hpp"

namespace rowgate::broker {

SessionRegistry::Claim SessionRegistry::claim(std::string_view client_id, ConnectionRef by) {
  const std::lock_guard lock(mutex_);
  auto it = entries_.find(client_id);
  if (it == entries_.end()) {
    it = entries_.emplace(std::string(client_id), Entry{}).first;
    it->second.subscriber = std::make_shared<Subscriber>(client_id);
  }
  Entry& entry = it->second;
  Claim claim{entry.subscriber, entry.connection};
  entry.connection = by;
  return claim;
}

SessionRegistry::Past SessionRegistry::past(std::string_view client_id) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(client_id);
  return it == entries_.end() ? Past::unknown : it->second.past;
}

void SessionRegistry::leave(std::string_view client_id, ConnectionRef by,
                            std::optional<Clock::time_point> keep_until, bool forgotten) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(client_id);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  entry.past = keep_until ? Past::kept : forgotten ? Past::unknown : Past::ended;
  entry.until = keep_until.value_or(Clock::time_point::min());
  if (entry.connection != by) return;  // taken over: the claimant reads `past`
  entry.connection.reset();
  if (entry.past == Past::unknown) entries_.erase(it);
}

void SessionRegistry::abandon(std::string_view client_id, ConnectionRef by) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(client_id);
  if (it == entries_.end() || it->second.connection != by) return;
  Entry& entry = it->second;
  entry.connection.reset();
  if (entry.past == Past::unknown) entries_.erase(it);
}

void SessionRegistry::expire(Clock::time_point now, const std::function<bool(Subscriber&)>& end) {
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Entry& entry = it->second;
    const bool over = !entry.connection && entry.until <= now && end(*entry.subscriber);
    it = over ? entries_.erase(it) : std::next(it);
  }
}

std::size_t SessionRegistry::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace rowgate::broker
