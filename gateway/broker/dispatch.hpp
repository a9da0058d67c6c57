#pragma once
// The subscriber's side of every session: who gets a copy of which publish, what waits for whom,
// and which packet ids are in flight. A deterministic machine: it takes durable records in the
// journal's order, and the events of sessions that end with their connections, and hands copies to
// the I/O threads. What it must remember goes to the StateStore with the position it holds for, so
// after a crash the records behind that position bring it back to where it was.
//
// A subscriber never gets what is not durable: a crash cannot take back what somebody has seen, and
// the publisher who was not answered sends again under the same packet id.
//
// Belongs to the dispatch thread (dispatch_loop.hpp); sessions reach it by the journal and by
// DispatchInbox.
//
//   copy:  waiting --Assigned--> in flight --Received (QoS 2)--> released --Done--> gone
//             ^                     |
//             +---- Returned -------+  (shared subscriptions only)
//
// Assigned, Dropped and Returned are the dispatcher's own decisions. Where the session (or any
// member of the group) outlives its connection they are appended to the journal first and take
// effect when they are read back; else at once.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/broker/delivery.hpp"
#include "gateway/broker/retained.hpp"
#include "gateway/broker/session_event.hpp"
#include "schema/base/result.hpp"
#include "schema/base/time.hpp"
#include "storage/journal/journal.hpp"
#include "storage/state/state_store.hpp"

namespace rowgate::broker {

struct DispatchOptions {
  std::size_t max_queued_messages = 100'000;       // waiting for one session or group, QoS 1 and 2
  std::uint64_t max_queued_bytes = 64ULL << 20;    // the same, in bytes
  std::uint64_t max_queued_total = 512ULL << 20;   // bytes waiting in all
  std::uint16_t max_in_flight = 1024;              // of one client, below its Receive Maximum
  std::uint64_t max_in_flight_bytes = 1ULL << 20;  // one copy always goes
};

/// Read by anybody; written by the dispatch thread.
struct DispatchCounters {
  std::atomic<std::uint64_t> sent{0};           // copies handed to I/O threads
  std::atomic<std::uint64_t> queue_full{0};     // copies dropped: the session's queue was full
  std::atomic<std::uint64_t> expired{0};        // copies dropped: Message Expiry Interval
  std::atomic<std::uint64_t> too_large{0};      // copies dropped: the client's Maximum Packet Size
  std::atomic<std::uint64_t> sessions{0};       // that outlive their connections, now
  std::atomic<std::uint64_t> subscriptions{0};  // now
  std::atomic<std::uint64_t> shared_groups{0};  // now
  std::atomic<std::uint64_t> queued_messages{0};  // waiting or in flight, now
  std::atomic<std::uint64_t> queued_bytes{0};
};

/// A client's connection is ready for its copies.
struct Attach {
  std::string client_id;
  ConnectionRef connection;
  std::uint16_t receive_maximum = 65535;           // the client's [MQTT-3.3.4-7]
  std::uint32_t maximum_packet_size = 0xFFFFFFFF;  // the client's [MQTT-3.1.2-24]
  mqtt::Version version{};
  storage::Position after;  // not before the records up to here have taken effect
};
struct Detach {
  std::string client_id;
  ConnectionRef connection;
};

/// The sessions that a restart finds: for the registry.
struct KeptSession {
  std::string client_id;
  std::string user;                  // whose it is; empty: anonymous
  std::uint32_t expiry = 0;          // seconds
  std::optional<Timestamp> left_at;  // nullopt: it was connected when the gateway ended
  std::vector<std::string> filters;
  bool has_will = false;  // unpublished
  WillView will;          // borrows from the Dispatch until it takes the next record
};

class Dispatch {
 public:
  using Append =
      std::function<Result<storage::Appended, storage::AppendError>(std::string_view event)>;
  using Deliver = std::function<void(Delivery&&)>;

  Dispatch(const DispatchOptions& options, DispatchCounters& counters, Retained& retained,
           Append append, Deliver deliver);
  ~Dispatch();

  /// Everything the store has; before any record. Throws std::runtime_error where a value cannot be
  /// read: the store's file is damaged.
  void load(storage::StateStore& store);
  /// Whether a publish without RETAIN is of any interest: there is a subscription.
  bool wants_all_publishes() const noexcept;
  /// A durable publish or event; others are ignored. During recovery nobody is attached, and
  /// nothing is sent or decided.
  void apply(const storage::RecordView& record, Timestamp now);
  /// Recovery is over: `visit` every session that is kept or has a will to publish. Those that end
  /// with their connections are ended by whoever visits, by an Ended event.
  void recovered(const std::function<void(const KeptSession&)>& visit);

  // From the inbox.
  void apply_event(std::string_view bytes, storage::Position since, Timestamp now);
  void attach(Attach&& attach, Timestamp now);
  void detach(const Detach& detach, Timestamp now);
  void publish(std::shared_ptr<const LiveMessage> message, Timestamp now);  // $SYS: QoS 0, not kept

  /// Everything below has been applied, or was of no interest: an Attach that waits for it may go
  /// on.
  void reached(storage::Position position) noexcept;
  /// Hands out what may go: to be called after each run of records. Decisions that found no room in
  /// the journal are taken again.
  void pump(Timestamp now);

  /// What changed since the last call, for the store; empty where nothing did.
  std::vector<storage::StateStore::Change> take_changes();
  /// How many there are by now.
  std::size_t pending_changes() const noexcept;

 private:
  struct State;
  /// Those whose Began has taken effect.
  void attach_due();

  std::unique_ptr<State> state_;
};

}  // namespace rowgate::broker
