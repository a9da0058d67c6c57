#pragma once
// What of a client's session outlives its network connection, on this side of the dispatcher: its
// filters, its unpublished Will, and how long it stays. The dispatcher has the rest. Belongs to
// whichever connection has claimed the session, or to the registry while nobody has.
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "gateway/broker/session_event.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"
#include "storage/position.hpp"

namespace rowgate::broker {

/// Both clocks, read once for a run of packets.
struct Moment {
  Timestamp wall;
  std::chrono::steady_clock::time_point ticks;
};

/// A Will with its bytes.
struct LastWill {
  std::string topic;
  std::string payload;
  std::string properties;  // of the PUBLISH it becomes, wire form
  mqtt::QoS qos{};
  bool retain = false;
  std::chrono::seconds delay{0};

  static LastWill copy(const WillView& will) {
    return {std::string(will.topic),
            std::string(will.payload),
            std::string(will.properties),
            will.qos,
            will.retain,
            std::chrono::seconds(will.delay)};
  }
  WillView view() const noexcept {
    return {topic, payload, properties, qos, retain, static_cast<std::uint32_t>(delay.count())};
  }
};

struct SessionState {
  using Ticks = std::chrono::steady_clock::time_point;

  explicit SessionState(std::string_view id) : client_id(id) {}

  const std::string client_id;
  /// Whose session it is; empty: anonymous. Changed by SessionRegistry::claim() alone.
  std::string user;
  std::set<std::string, std::less<>> filters;  // with their `$share/group/`

  bool known = false;      // to the dispatcher: Began was told, Ended was not
  bool journaled = false;  // its events go through the journal, else to the inbox
  bool kept = false;       // outlives its connection
  bool durable = false;    // it does, or it came from one that did: so do its acknowledgements
  std::chrono::seconds expiry{0};
  Ticks until{};  // once its connection has left: the session's end
  /// When its connection left, until the dispatcher has been told.
  std::optional<Timestamp> left_at;

  std::optional<LastWill> will;  // not yet published; of a session that is away, due at will_at
  Ticks will_at{};
  bool will_published = false;  // and the dispatcher has not been told

  /// The end of the last event in the journal. Events by the inbox would overtake it until it has
  /// taken effect.
  storage::Position last_event{};
};

}  // namespace rowgate::broker
