#pragma once
// What every session shares. Lives as long as the I/O threads; each part says its own thread rule.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "gateway/broker/ledger.hpp"
#include "gateway/broker/live_catalog.hpp"
#include "gateway/broker/outgoing.hpp"
#include "gateway/broker/session_registry.hpp"
#include "gateway/broker/subscriptions.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::broker {

struct BrokerOptions {
  std::uint32_t max_packet_bytes = 1U << 20;
  std::uint16_t receive_maximum = 1024;
  std::uint16_t topic_alias_maximum = 64;
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds max_session_expiry{7 * 24 * 3600};
  std::size_t max_queued_bytes = 8U << 20;  // live copies behind a subscriber's Receive Maximum
  std::size_t max_filters = 1000;           // subscriptions of one session
  std::size_t max_filter_levels = 128;
  bool reject_unmapped = false;
};

/// Rare events only: what every publish counts is in the Ledger.
struct BrokerCounters {
  std::atomic<std::uint64_t> connections{0};  // now
  std::atomic<std::uint64_t> connects{0};     // accepted CONNECTs
  std::atomic<std::uint64_t> refused{0};      // refused CONNECTs
  std::atomic<std::uint64_t> protocol_errors{0};
  std::atomic<std::uint64_t> take_overs{0};
  std::atomic<std::uint64_t> keep_alive_timeouts{0};
  std::atomic<std::uint64_t> rejected_publishes{0};
  std::atomic<std::uint64_t> stalls{0};  // a connection had to wait for the journal
  std::atomic<std::uint64_t> delivered{0};
  std::atomic<std::uint64_t> undelivered{0};  // live copies dropped: slow or full subscriber
};

/// The other I/O threads, as a session reaches them. Any thread.
class Peers {
 public:
  virtual ~Peers() = default;
  /// Closes `displaced` with session_taken_over; once it has left, `successor` is told to go on.
  virtual void take_over(ConnectionRef displaced, ConnectionRef successor) = 0;
  /// The session that `successor` waits for is free.
  virtual void proceed(ConnectionRef successor) = 0;
  virtual void deliver(Delivery&& delivery) = 0;
};

struct Broker {
  storage::Journal& journal;
  LiveCatalog& catalog;
  Ledger& ledger;
  Peers& peers;
  BrokerOptions options;
  SessionRegistry registry{};
  Subscriptions subscriptions{};
  BrokerCounters counters{};

  /// A session ends: its subscriptions and open packet ids are void [MQTT-3.1.2-4]. The answer is
  /// the position whose durability makes that final; nullopt: the journal has no room to say so at
  /// the moment, ask again. Precondition: the caller has claimed the session, or holds the
  /// registry.
  std::optional<storage::Position> end_session(Subscriber& subscriber);
};

}  // namespace rowgate::broker
