#include "gateway/broker/rebirths.hpp"

#include <memory>
#include <utility>

#include "gateway/broker/delivery.hpp"
#include "gateway/broker/dispatch_inbox.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::broker {

void Rebirths::ask(std::string_view node) {
  if (!publish_) return;
  const Ticks now = clock_.ticks();
  {
    const std::lock_guard lock(mutex_);
    // Whoever may be asked again need not be remembered.
    if (now - swept_ >= interval) {
      std::erase_if(last_, [&](const auto& asked) { return now - asked.second >= interval; });
      swept_ = now;
    }
    const auto [last, first] = last_.try_emplace(std::string(node), now);
    if (!first && now - last->second < interval) return;
    last->second = now;
  }
  asked_.fetch_add(1, std::memory_order_relaxed);
  publish_(schema::rebirth_topic(node), schema::rebirth_payload(clock_.now()));
}

Rebirths::Publish publish_live(DispatchInbox& inbox) {
  return [&inbox](std::string topic, std::string payload) {
    inbox.put(std::make_shared<const LiveMessage>(LiveMessage{.topic = std::move(topic),
                                                              .payload = std::move(payload),
                                                              .properties = {},
                                                              .qos = mqtt::QoS::at_most_once,
                                                              .retain = false}));
  };
}

}  // namespace rowgate::broker
