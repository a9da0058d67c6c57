#pragma once
// The retained message of each topic [MQTT-3.3.1-5]. Any thread; one mutex, taken by publishes with
// RETAIN and by SUBSCRIBE only.
//
// A retained publish appends its record and sets its message under hold(), and a SUBSCRIBE tells
// its event before it looks here: so a new subscription gets each message as retained, or live, or
// (harmlessly) both, but never neither.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/broker/delivery.hpp"
#include "schema/base/time.hpp"

namespace rowgate::broker {

class Retained {
 public:
  struct Limits {
    std::size_t messages = 1'000'000;
    std::uint64_t bytes = 256ULL << 20;  // topics, payloads, properties and what holding them costs
  };
  explicit Retained(Limits limits);
  ~Retained();

  /// Held while a retained publish is appended to the journal and set.
  [[nodiscard]] std::unique_lock<std::shared_mutex> hold() { return std::unique_lock(mutex_); }
  /// With hold(): sets the topic's message; an empty payload clears it [MQTT-3.3.1-6]. False: it
  /// found no room (or has more than 200 levels), and nothing is retained for the topic now.
  bool set(std::shared_ptr<const LiveMessage> message);

  bool has(std::string_view topic) const;
  /// Those a filter takes and that have not expired, oldest topic level first. `$` topics only
  /// where the filter says so [MQTT-4.7.2-1].
  void match(std::string_view filter, Timestamp now,
             std::vector<std::shared_ptr<const LiveMessage>>& out) const;
  /// Forgets expired ones; returns their topics.
  std::vector<std::string> expire(Timestamp now);
  std::size_t size() const;
  std::uint64_t bytes() const;

 private:
  struct Node;
  const Node* find(std::string_view topic) const;
  void erase(std::string_view topic);

  const Limits limits_;
  mutable std::shared_mutex mutex_;
  std::unique_ptr<Node> root_;  // guarded by mutex_, as all below
  std::size_t size_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace rowgate::broker
