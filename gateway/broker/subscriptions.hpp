#pragma once
// Who gets a live copy of a publish: all subscriptions in one trie of topic filter levels.
// Any thread; matching takes a shared lock, and only when there is any subscription at all, so that
// a gateway without subscribers pays one relaxed load a publish.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::broker {

/// A client as the publishers to its subscriptions see it; lives as long as its session.
struct Subscriber {
  explicit Subscriber(std::string_view id) : client_id(id) {}
  const std::string client_id;
  std::atomic<std::uint64_t> connection{0};    // ConnectionRef::pack(); 0 while it is away
  std::set<std::string, std::less<>> filters;  // touched only by whoever has claimed the session
};

/// One subscription's options, section 3.8.3.1 of MQTT 5.0.
struct SubscriptionOptions {
  mqtt::QoS qos{};
  bool no_local = false;
  bool retain_as_published = false;
  std::uint32_t identifier = 0;  // 0: none
};

/// One copy to one subscriber: overlapping subscriptions are merged, the highest QoS wins and every
/// subscription identifier goes along [MQTT-3.3.4-2] [MQTT-3.3.4-4].
struct Recipient {
  std::shared_ptr<Subscriber> subscriber;
  mqtt::QoS qos{};
  bool retain_as_published = false;
  std::vector<std::uint32_t> identifiers;
};

class Subscriptions {
 public:
  Subscriptions();
  ~Subscriptions();

  /// Adds or replaces; true if it was new. Precondition: mqtt::is_topic_filter(filter).
  bool add(std::string_view filter, const std::shared_ptr<Subscriber>& subscriber,
           SubscriptionOptions options);
  /// False if there was no such subscription.
  bool remove(std::string_view filter, const Subscriber& subscriber);

  bool empty() const noexcept { return count_.load(std::memory_order_relaxed) == 0; }
  std::size_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// Everyone to whom a publish to `topic` from `publisher` goes. A filter that begins with a
  /// wildcard takes no topic that begins with `$` [MQTT-4.7.2-1].
  void match(std::string_view topic, std::string_view publisher, std::vector<Recipient>& out) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;  // guarded by mutex_
  mutable std::shared_mutex mutex_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace rowgate::broker
