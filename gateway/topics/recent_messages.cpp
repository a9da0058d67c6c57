#include "gateway/topics/recent_messages.hpp"

#include <algorithm>
#include <cmath>

namespace rowgate::topics {
namespace {

/// What a topic costs beside its name and its messages' bytes, about.
constexpr std::size_t topic_overhead = 256;

std::size_t bytes_of(const KeptMessage& kept) {
  return sizeof(KeptMessage) + kept.client_id.size() + kept.payload.size() + kept.properties.size();
}

}  // namespace

schema::Message KeptMessage::view(std::string_view topic) const noexcept {
  return {.topic = topic,
          .client_id = client_id,
          .payload = payload,
          .properties = properties,
          .received_at = received_at,
          .position = position,
          .qos = qos,
          .retain = retain};
}

void RecentMessages::see(const schema::Message& message, double weight) {
  auto found = by_name_.find(message.topic);
  if (found == by_name_.end()) {
    order_.emplace_front();
    Topic& made = order_.front();
    made.name = message.topic;
    made.bytes = topic_overhead + 2 * message.topic.size();
    bytes_ += made.bytes;
    found = by_name_.emplace(made.name, order_.begin()).first;
  } else if (found->second != order_.begin()) {
    order_.splice(order_.begin(), order_, found->second);
  }
  Topic& topic = *found->second;
  topic.count += weight;
  const std::int64_t bucket = message.received_at.micros / bucket_micros;
  if (bucket != topic.bucket) {
    topic.before_count = bucket == topic.bucket + 1 ? topic.now_count : 0;
    topic.now_count = 0;
    topic.bucket = bucket;
  }
  topic.now_count += weight;
  topic.last_at = message.received_at;
  if (topic.ring.size() < limits_.messages || message.received_at.micros >= topic.keep_at) {
    keep(topic, message);
  }
  make_room();
}

void RecentMessages::keep(Topic& topic, const schema::Message& message) {
  if (message.payload.size() > limits_.payload_bytes) return;
  topic.keep_at = message.received_at.micros + limits_.pause_micros;
  if (topic.ring.size() < limits_.messages) {
    topic.next = topic.ring.size();
    topic.ring.emplace_back();
  } else {
    const std::size_t before = bytes_of(topic.ring[topic.next]);
    topic.bytes -= before;
    bytes_ -= before;
  }
  KeptMessage& kept = topic.ring[topic.next];
  kept.client_id.assign(message.client_id);
  kept.payload.assign(message.payload);
  kept.properties.assign(message.properties);
  kept.received_at = message.received_at;
  kept.position = message.position;
  kept.qos = message.qos;
  kept.retain = message.retain;
  topic.next = (topic.next + 1) % limits_.messages;
  topic.bytes += bytes_of(kept);
  bytes_ += bytes_of(kept);
}

void RecentMessages::make_room() {
  while (order_.size() > 1 && (order_.size() > limits_.topics || bytes_ > limits_.bytes)) {
    Topic& oldest = order_.back();
    bytes_ -= oldest.bytes;
    by_name_.erase(oldest.name);
    order_.pop_back();
  }
}

SeenTopic RecentMessages::copy(const Topic& topic, Timestamp now) const {
  SeenTopic seen{
      topic.name, static_cast<std::uint64_t>(std::llround(topic.count)), 0, topic.last_at, {}};
  // A window that slides over the two buckets, as far as they are of now.
  const std::int64_t bucket = now.micros / bucket_micros;
  const double into =
      static_cast<double>(now.micros % bucket_micros) / static_cast<double>(bucket_micros);
  const double here = bucket == topic.bucket ? topic.now_count : 0;
  const double before = bucket == topic.bucket       ? topic.before_count
                        : bucket == topic.bucket + 1 ? topic.now_count
                                                     : 0;
  seen.per_second = (here + before * (1 - into)) / (static_cast<double>(bucket_micros) / 1e6);
  for (std::size_t i = 0; i < topic.ring.size(); ++i) {
    const std::size_t from = topic.ring.size() < limits_.messages ? 0 : topic.next;
    seen.messages.push_back(topic.ring[(from + i) % topic.ring.size()]);
  }
  return seen;
}

std::vector<SeenTopic> RecentMessages::list(std::string_view prefix, std::string_view after,
                                            std::size_t limit, Timestamp now) const {
  const std::lock_guard guard(mutex_);
  std::vector<const Topic*> fit;
  for (const Topic& topic : order_) {
    if (topic.name.starts_with(prefix) && (after.empty() || topic.name > after)) {
      fit.push_back(&topic);
    }
  }
  const auto by_name = [](const Topic* a, const Topic* b) { return a->name < b->name; };
  const std::size_t most = std::min(limit, fit.size());
  std::partial_sort(fit.begin(), fit.begin() + static_cast<std::ptrdiff_t>(most), fit.end(),
                    by_name);
  std::vector<SeenTopic> found;
  for (std::size_t i = 0; i < most; ++i) found.push_back(copy(*fit[i], now));
  return found;
}

std::optional<SeenTopic> RecentMessages::find(std::string_view topic, Timestamp now) const {
  const std::lock_guard guard(mutex_);
  const auto found = by_name_.find(topic);
  if (found == by_name_.end()) return std::nullopt;
  return copy(*found->second, now);
}

std::size_t RecentMessages::size() const {
  const std::lock_guard guard(mutex_);
  return order_.size();
}

}  // namespace rowgate::topics
