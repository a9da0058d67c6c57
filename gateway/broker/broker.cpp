#include "gateway/broker/broker.hpp"

namespace rowgate::broker {

std::optional<storage::Position> Broker::end_session(Subscriber& subscriber) {
  for (const std::string& filter : subscriber.filters) subscriptions.remove(filter, subscriber);
  subscriber.filters.clear();
  const auto forgotten = journal.forget(subscriber.client_id);
  if (!forgotten) return std::nullopt;
  return forgotten->end;
}

}  // namespace rowgate::broker
