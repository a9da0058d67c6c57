#pragma once
// What passes through, topic by topic: how much, and the last few messages. A bounded memory for
// people who look (the API's topics, preview and suggest); nothing else depends on it. Filled by
// the Sampler, read by anybody.
//
// Bounds: topics, bytes, messages a topic. Where one is reached, the topic that has been silent
// longest is forgotten. A message is kept when its topic has fewer than it may have, or has kept
// none for a while; all are counted.
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/base/time.hpp"
#include "schema/message.hpp"

namespace rowgate::topics {

/// A message of its own memory.
struct KeptMessage {
  std::string client_id;
  std::string payload;
  std::string properties;
  Timestamp received_at;
  std::uint64_t position = 0;
  std::uint8_t qos = 0;
  bool retain = false;

  /// Views of it; `topic` lives longer.
  schema::Message view(std::string_view topic) const noexcept;
};

struct SeenTopic {
  std::string topic;
  std::uint64_t count = 0;
  double per_second = 0;  // over the last ten to twenty seconds
  Timestamp last_at;
  std::vector<KeptMessage> messages;  // the oldest first
};

class RecentMessages {
 public:
  struct Limits {
    std::size_t topics = 10'000;
    std::size_t bytes = 32U << 20;
    std::size_t messages = 5;               // of a topic
    std::size_t payload_bytes = 64U << 10;  // a longer message is counted and not kept
    std::int64_t pause_micros = 100'000;    // between two messages kept of a topic that has enough
  };
  explicit RecentMessages(const Limits& limits) : limits_(limits) {}
  RecentMessages() : RecentMessages(Limits{}) {}

  /// `weight`: how many messages this one stands for, where others were passed over. Precondition:
  /// the caller holds lock(), once for many messages.
  void see(const schema::Message& message, double weight);
  std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }

  /// The topics that begin with `prefix`, in their order, at most `limit`, from the one behind
  /// `after` on. Any thread. Do not hold lock().
  std::vector<SeenTopic> list(std::string_view prefix, std::string_view after, std::size_t limit,
                              Timestamp now) const;
  std::optional<SeenTopic> find(std::string_view topic, Timestamp now) const;
  std::size_t size() const;

 private:
  static constexpr std::int64_t bucket_micros = 10'000'000;

  struct Topic {
    std::string name;
    double count = 0;
    std::int64_t bucket = 0;  // number of the ten seconds that `now_count` counts
    double now_count = 0;
    double before_count = 0;  // of the ten seconds before
    Timestamp last_at;
    std::int64_t keep_at = 0;  // the next message is kept from this time on
    std::vector<KeptMessage> ring;
    std::size_t next = 0;  // where in the ring the next one goes
    std::size_t bytes = 0;
  };
  using Order = std::list<Topic>;

  void keep(Topic& topic, const schema::Message& message);
  void make_room();
  SeenTopic copy(const Topic& topic, Timestamp now) const;

  const Limits limits_;
  mutable std::mutex mutex_;                                       // guards what follows
  Order order_;                                                    // the topic seen last first
  std::unordered_map<std::string_view, Order::iterator> by_name_;  // views of the topics' names
  std::size_t bytes_ = 0;
};

}  // namespace rowgate::topics
