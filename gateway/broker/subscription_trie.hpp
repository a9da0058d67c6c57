#pragma once
// Who gets a copy of a publish: all subscriptions in one trie of topic filter levels. One thread,
// the dispatcher's.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/broker/session_event.hpp"
#include "storage/position.hpp"

namespace rowgate::broker {

/// What a subscription leads to: a client, or the group of a shared subscription. In one trie only.
struct Receiver {
  explicit Receiver(std::string_view id, bool is_group = false) : name(id), group(is_group) {}
  const std::string name;  // client id, or `$share/group/filter`
  const bool group;

 private:
  friend class SubscriptionTrie;
  std::uint64_t round_ = 0;  // of the match() that found it last,
  std::size_t found_ = 0;    // and where in its result
};

/// One copy to one receiver: overlapping subscriptions are merged, the highest QoS wins and every
/// subscription identifier goes along [MQTT-3.3.4-2] [MQTT-3.3.4-4].
struct Match {
  Receiver* receiver = nullptr;
  mqtt::QoS qos{};
  bool retain_as_published = false;
  std::vector<std::uint32_t> identifiers;
};

class SubscriptionTrie {
 public:
  SubscriptionTrie();
  ~SubscriptionTrie();

  /// Adds, for messages from `since` on, or replaces, without losing any in between
  /// [MQTT-3.8.4-3]; true if it was new. Preconditions: mqtt::is_topic_filter(filter), not a shared
  /// one; `receiver` lives until it is removed.
  bool add(std::string_view filter, Receiver& receiver, const SubscriptionOptions& options,
           storage::Position since);
  /// False if there was no such subscription.
  bool remove(std::string_view filter, const Receiver& receiver);

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  /// Everyone to whom the message at `at` goes that `publisher` sent to `topic`. A filter that
  /// begins with a wildcard takes no topic that begins with `$` [MQTT-4.7.2-1]. Linear in the
  /// subscriptions that match; `out` is emptied first.
  void match(std::string_view topic, std::string_view publisher, storage::Position at,
             std::vector<Match>& out);

 private:
  struct Node;
  struct Entry;
  struct Search;
  static void find(const Node& node, std::string_view levels, bool first, Search& search);
  static void collect(const std::vector<Entry>& entries, Search& search);

  std::unique_ptr<Node> root_;
  std::size_t size_ = 0;
  std::uint64_t round_ = 0;
};

/// Cuts the first level off `rest`; `last` when nothing follows it.
std::string_view take_level(std::string_view& rest, bool& last) noexcept;

}  // namespace rowgate::broker
