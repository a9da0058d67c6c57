#pragma once
// topic -> the mappings that take it, for topics seen lately. Bounded: a fixed number of slots, and
// a topic that falls on another's slot takes it over. As many slots as stay in a core's own cache:
// with thousands, one that lies in memory costs more than the walk through the index it saves.
// One a lane; not thread-safe.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/topic_index.hpp"

namespace rowgate::schema {

class TopicCache {
 public:
  /// `index` outlives the cache.
  explicit TopicCache(const TopicIndex& index, std::size_t slots = 512)
      : index_(index), slots_(slots) {}

  /// Valid until the next call.
  std::span<const TopicMatch> find(std::string_view topic) {
    const std::size_t hash = std::hash<std::string_view>{}(topic);
    Slot& slot = topic.size() > longest_kept ? long_ : slots_[hash % slots_.size()];
    if (!slot.used || slot.topic != topic) {
      slot.topic.assign(topic);
      slot.used = true;
      index_.match(topic, slot.matches);
    }
    return slot.matches;
  }

 private:
  struct Slot {
    std::string topic;
    std::vector<TopicMatch> matches;
    bool used = false;
  };

  // Longer topics share one slot: they would make the cache's memory 64 KiB a slot.
  static constexpr std::size_t longest_kept = 256;

  const TopicIndex& index_;
  std::vector<Slot> slots_;
  Slot long_;
};

}  // namespace rowgate::schema
