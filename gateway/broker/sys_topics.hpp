#pragma once
// The $SYS topics, in the names and the text that Mosquitto's users know: what the broker is doing,
// as retained messages at QoS 0 that go to subscribers and nowhere else. A value is published when
// it has changed. Belongs to one thread.
//
// Loads are moving averages, per minute, over 1, 5 and 15 minutes, computed as Mosquitto does.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "gateway/broker/ledger.hpp"

namespace rowgate::broker {

class DispatchInbox;
class Retained;

/// What the topics say, as it stands now.
struct SysCounts {
  // Now.
  std::uint64_t clients_connected = 0;
  std::uint64_t clients_disconnected = 0;  // whose sessions are kept
  std::uint64_t subscriptions = 0;
  std::uint64_t shared_subscriptions = 0;
  std::uint64_t retained_messages = 0;
  std::uint64_t stored_messages = 0;  // waiting for subscribers, or retained
  std::uint64_t stored_bytes = 0;
  std::uint64_t heap_bytes = 0;
  // Since the start.
  std::uint64_t clients_expired = 0;
  std::uint64_t connections = 0;  // CONNECTs accepted
  std::uint64_t sockets = 0;      // network connections accepted
  std::uint64_t publishes_dropped = 0;
  std::array<std::uint64_t, traffic_kinds> traffic{};  // by Traffic
  // The ledger, and the journal.
  std::uint64_t received = 0;
  std::uint64_t stored = 0;
  std::uint64_t dead_letter = 0;
  std::uint64_t unmapped = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;
  std::uint64_t journal_disk_bytes = 0;
  std::uint64_t journal_commits = 0;
  std::uint64_t journal_durable = 0;  // positions
  std::uint64_t journal_first = 0;
};

class SysTopics {
 public:
  using Ticks = std::chrono::steady_clock::time_point;
  using Publish = std::function<void(std::string_view topic, std::string payload)>;

  /// `version` as in "rowgate version 0.1.0".
  SysTopics(Publish publish, std::string_view version, Ticks started);

  /// Every mqtt.sys_interval.
  void update(const SysCounts& counts, Ticks now);

 private:
  static constexpr std::size_t spans = 3;
  struct Load {
    std::uint64_t last = 0;
    std::array<double, spans> average{};
  };

  void say(std::string_view topic, std::string payload);
  void say(std::string_view topic, std::uint64_t value);
  void say_clients(const SysCounts& counts);
  void say_messages(const SysCounts& counts);
  void say_gateway(const SysCounts& counts);
  void say_loads(const SysCounts& counts, Ticks now);
  void say_load(std::string_view topic, std::uint64_t total, double seconds);

  const Publish publish_;
  const Ticks started_;
  Ticks updated_;
  std::uint64_t clients_maximum_ = 0;
  std::uint64_t heap_maximum_ = 0;
  std::map<std::string, Load, std::less<>> loads_;
  std::map<std::string, std::string, std::less<>> said_;  // topic -> payload
};

/// Publishes to those who subscribe and those who will: retained, and not in the journal.
SysTopics::Publish publish_retained(Retained& retained, DispatchInbox& inbox);

}  // namespace rowgate::broker
