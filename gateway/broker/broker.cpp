#include "gateway/broker/broker.hpp"

namespace rowgate::broker {

bool Broker::end_session(Subscriber& subscriber) {
  for (const std::string& filter : subscriber.filters) subscriptions.remove(filter, subscriber);
  subscriber.filters.clear();
  if (!journal.has_open(subscriber.client_id)) return true;
  return journal.forget(subscriber.client_id).has_value();
}

}  // namespace rowgate::broker
