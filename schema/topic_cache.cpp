#include "schema/topic_cache.hpp"

namespace rowgate::schema {

void TopicCache::fill(Slot& slot, std::string_view topic) {
  slot.topic.assign(topic);
  slot.used = true;
  index_.match(topic, found_);
  slot.matches.resize(found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    slot.matches[i].mapping = found_[i].mapping;
    slot.matches[i].captures.clear();
    for (const std::string_view capture : found_[i].captures) {
      slot.matches[i].captures.emplace_back(
          static_cast<std::uint32_t>(capture.data() - topic.data()),
          static_cast<std::uint32_t>(capture.size()));
    }
  }
}

}  // namespace rowgate::schema
