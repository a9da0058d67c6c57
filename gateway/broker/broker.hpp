#pragma once
// What every session shares. Lives as long as the I/O threads; each part says its own thread rule.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "gateway/broker/arrival_check.hpp"
#include "gateway/broker/committed_positions.hpp"
#include "gateway/broker/dispatch_inbox.hpp"
#include "gateway/broker/ledger.hpp"
#include "gateway/broker/live_catalog.hpp"
#include "gateway/broker/presence.hpp"
#include "gateway/broker/retained.hpp"
#include "gateway/broker/session_registry.hpp"
#include "gateway/security/authenticator.hpp"
#include "gateway/security/live_acl.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::broker {

struct BrokerOptions {
  std::uint32_t max_packet_bytes = 1U << 20;
  std::uint16_t receive_maximum = 1024;
  std::uint16_t topic_alias_maximum = 64;
  std::uint16_t max_keep_alive = 0;  // seconds; 0: as the client asks
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds max_session_expiry{7 * 24 * 3600};
  /// After that a publish of MQTT 5 that finds the journal full is refused; 0: it waits on.
  std::chrono::milliseconds max_journal_wait{0};
  std::size_t max_filters = 1000;  // subscriptions of one session
  std::size_t max_topic_bytes = 65'535;
  std::size_t max_topic_levels = 200;
  std::size_t max_sessions = 1'000'000;        // that outlive their connections
  std::uint32_t max_publishes_per_second = 0;  // of one client; 0: no limit
  std::uint64_t max_publish_bytes_per_second = 0;
  bool retain_available = true;
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
  std::atomic<std::uint64_t> rejected_publishes{0};    // all that were refused, as below
  std::atomic<std::uint64_t> denied_publishes{0};      // by the ACL, or to a reserved topic
  std::atomic<std::uint64_t> denied_subscriptions{0};  // by the ACL, taken away later included
  std::atomic<std::uint64_t> invalid_payloads{0};      // not the text that they say they are
  std::atomic<std::uint64_t> quota_exceeded{0};        // the journal was full for too long
  std::atomic<std::uint64_t> stalls{0};                // a connection had to wait for the journal
  std::atomic<std::uint64_t> held_back{0};             // a client published faster than it may
  std::atomic<std::uint64_t> delivered{0};
  std::atomic<std::uint64_t> undelivered{0};   // copies dropped: slow subscriber, or too large
  std::atomic<std::uint64_t> not_retained{0};  // publishes with RETAIN that found no room there
  std::atomic<std::uint64_t> wills{0};         // published
  std::atomic<std::uint64_t> expired_sessions{0};
  std::atomic<std::uint64_t> kept_sessions{0};  // that outlive their connections, now
};

/// The other I/O threads, as a session reaches them. Any thread.
class Peers {
 public:
  virtual ~Peers() = default;
  /// Closes `displaced` with session_taken_over; once it has left, `successor` is told to go on.
  virtual void take_over(ConnectionRef displaced, ConnectionRef successor) = 0;
  /// The session that `successor` waits for is free.
  virtual void proceed(ConnectionRef successor) = 0;
  /// The copy may wait for more of them, but not beyond send_off().
  virtual void deliver(Delivery&& delivery) = 0;
  virtual void send_off() = 0;
  /// What `waiting` asked the Authenticator.
  virtual void authenticated(ConnectionRef waiting, security::Verdict&& verdict) = 0;
};

struct Broker {
  storage::Journal& journal;
  LiveCatalog& catalog;
  Ledger& ledger;
  Peers& peers;
  DispatchInbox& inbox;
  Retained& retained;
  BrokerOptions options{};
  security::Authenticator* authenticator = nullptr;  // null: everybody is let in, anonymous
  const security::LiveAcl* acl = nullptr;            // null: all but the reserved topics
  /// Up to where records have taken effect in the dispatcher; empty: wherever they are durable.
  std::function<storage::Position()> applied{};
  ArrivalCheck* arrival_check = nullptr;          // null: what does not fit is the lanes' affair
  Presence* presence = nullptr;                   // null: nobody wants to know
  const CommittedPositions* committed = nullptr;  // PUBACK and PUBCOMP wait for it, if set
  SessionRegistry registry{};
  BrokerCounters counters{};

  using NotTold = std::optional<storage::AppendError>;

  /// Tells the dispatcher, by the journal or by the inbox, as the session's events go. Precondition
  /// of all below: the caller has claimed the session, or holds the registry.
  [[nodiscard]] NotTold tell(SessionState& session, const SessionEvent& event);
  /// The same for a client's acknowledgements: durable only if the session is.
  [[nodiscard]] NotTold tell_acknowledged(SessionState& session, const SessionEvent& event);

  /// Appends a publish, and retains it if it asks for that [MQTT-3.3.1-5].
  Result<storage::Appended, storage::AppendError> publish(const storage::PublishRecord& record);
  /// Publishes the session's Will as its client's, and forgets it; also one that can never fit.
  [[nodiscard]] NotTold publish_will(SessionState& session, Moment now, std::size_t thread);
  /// Does what is due for a session whose connection has left: publishes its Will, tells that it
  /// has left, or ends it. When to call again: at once if the journal has no room. nullopt: it has
  /// ended, and nothing of it is to be remembered.
  std::optional<SessionState::Ticks> depart(SessionState& session, Moment now, std::size_t thread);
  /// About once a second: what is due for all sessions without a connection. On the I/O thread
  /// whose number is given.
  void visit_due(Moment now, std::size_t thread);
  /// At start-up: a session found on disk. It waits for its client, or ends.
  void restore(const KeptSession& kept, Moment now);

  /// The session outlives its connection, or does not any more: counted against max_sessions.
  void keep(SessionState& session, bool kept);
  bool may_keep_another() const noexcept {
    return counters.kept_sessions.load(std::memory_order_relaxed) < options.max_sessions;
  }
  bool has_taken_effect(storage::Position position) const {
    return position <= (applied ? applied() : journal.durable());
  }
};

}  // namespace rowgate::broker
