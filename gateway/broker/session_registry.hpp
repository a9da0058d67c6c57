#pragma once
// Which connection has which client's session, and the sessions that wait for their client. Any
// thread; locked only when a client comes or goes.
//
// Take-over [MQTT-3.1.4-3]: claim() names the connection that had the session. The claimant must
// not go on before that connection has called leave(): until then packets of the old connection may
// still reach the journal, and a QoS 2 packet id released by the new one could be opened again.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/broker/subscriptions.hpp"

namespace rowgate::broker {

class SessionRegistry {
 public:
  using Clock = std::chrono::steady_clock;

  /// What the registry remembers of a client's session before this connection.
  enum class Past : std::uint8_t {
    unknown,  // nothing: since the gateway started, at least
    ended,    // it ended, but the journal could not yet be told to forget its packet ids
    kept,     // it goes on
  };
  struct Claim {
    std::shared_ptr<Subscriber> subscriber;
    std::optional<ConnectionRef> displaced;  // wait for it to leave
  };

  Claim claim(std::string_view client_id, ConnectionRef by);
  Past past(std::string_view client_id) const;

  /// The connection is over. `keep_until`: absent when the session ends with it; then `forgotten`
  /// says whether its packet ids are void already.
  void leave(std::string_view client_id, ConnectionRef by,
             std::optional<Clock::time_point> keep_until, bool forgotten);

  /// The connection is over before it had answered its CONNECT: what the registry remembers stays.
  void abandon(std::string_view client_id, ConnectionRef by);

  /// Ends sessions whose time has come: end() makes a session's subscriptions and packet ids void
  /// and says whether it could; if not, it is asked again at the next call. end() runs under the
  /// registry's lock, so that the client cannot come back in the middle.
  void expire(Clock::time_point now, const std::function<bool(Subscriber&)>& end);

  std::size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<Subscriber> subscriber;
    std::optional<ConnectionRef> connection;
    Past past = Past::unknown;
    Clock::time_point until;  // of a kept session, once its connection has left
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;  // guarded by mutex_
};

}  // namespace rowgate::broker
