#pragma once
// Rebirth requests: asks Sparkplug B's edge nodes to send their births again (an NCMD with "Node
// Control/Rebirth"), but none of them more than once in ten seconds. Any thread; told by the lanes.
//
// A request goes to who is subscribed now, at QoS 0, as the specification has it. One that is not
// heard is made again with the next message that shows the need.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/os/clock.hpp"

namespace rowgate::broker {

class DispatchInbox;

class Rebirths {
 public:
  /// Publishes to live subscribers.
  using Publish = std::function<void(std::string topic, std::string payload)>;
  static constexpr std::chrono::seconds interval{10};

  explicit Rebirths(os::Clock& clock) : clock_(clock) {}

  /// Before the lanes start. Until then nothing is asked.
  void publish_by(Publish publish) { publish_ = std::move(publish); }
  /// `node`: "GROUP/EDGE".
  void ask(std::string_view node);

  std::uint64_t asked() const noexcept { return asked_.load(std::memory_order_relaxed); }

 private:
  using Ticks = std::chrono::steady_clock::time_point;

  os::Clock& clock_;
  Publish publish_;
  std::mutex mutex_;
  std::unordered_map<std::string, Ticks> last_;  // guarded by mutex_: by node
  Ticks swept_{};                                // guarded by mutex_
  std::atomic<std::uint64_t> asked_{0};
};

/// Hands messages to the dispatcher, which outlives it, for live subscribers.
Rebirths::Publish publish_live(DispatchInbox& inbox);

}  // namespace rowgate::broker
