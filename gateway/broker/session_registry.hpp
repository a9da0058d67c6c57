#pragma once
// Which connection has which client's session, and the sessions that wait for their client. Any
// thread; locked only when a client comes or goes.
//
// Take-over [MQTT-3.1.4-3]: claim() names the connection that had the session. The claimant must
// not go on before that connection has called leave(): until then packets of the old connection may
// still reach the journal, and a QoS 2 packet id released by the new one could be opened again. The
// SessionState goes from hand to hand with the claim.
//
// A session belongs to the user who began it: while it is connected or kept, nobody else's claim is
// granted, else whoever may connect at all could read what waits for another.
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/broker/session_state.hpp"

namespace rowgate::broker {

class SessionRegistry {
 public:
  using Ticks = SessionState::Ticks;

  struct Claim {
    std::shared_ptr<SessionState> state;     // null: the session is another user's
    std::optional<ConnectionRef> displaced;  // wait for it to leave
  };

  Claim claim(std::string_view client_id, std::string_view user, ConnectionRef by);

  /// The connection is over. `due`: when the session has to be looked at; absent: it has ended, and
  /// nothing of it is to be remembered. After a take-over the state is the claimant's, and `due`
  /// says nothing.
  void leave(std::string_view client_id, ConnectionRef by, std::optional<Ticks> due);

  /// At start-up: a session found on disk.
  void restore(std::shared_ptr<SessionState> state, Ticks due);

  /// Visits the sessions without a connection that are due. visit() says when the session is due
  /// next, or that nothing of it is to be remembered. One that is due at once, still, ends the
  /// round: the journal has no room. visit() runs under the registry's lock, so that the client
  /// cannot come back in the middle.
  void visit_due(Ticks now, const std::function<std::optional<Ticks>(SessionState&)>& visit);

  /// Sessions, connected or not.
  std::size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<SessionState> state;
    std::optional<ConnectionRef> connection;
    std::optional<Ticks> due;  // set only while there is no connection
  };
  void schedule(Entry& entry, std::optional<Ticks> due);

  mutable std::mutex mutex_;
  // Keys are views of SessionState::client_id. All guarded by mutex_.
  std::unordered_map<std::string_view, Entry> entries_;
  std::set<std::pair<Ticks, std::string_view>> due_;
};

}  // namespace rowgate::broker
