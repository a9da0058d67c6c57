#pragma once
// What happens to a client's session and its subscriptions, as told to the dispatcher. Of sessions
// that outlive their connections the events go through the journal (RecordType::event) and take
// effect when they are durable, in the journal's order, now and again after a crash; of the others
// they go straight to the dispatcher's inbox, in the same bytes.
//
//   began (anew or not) -> subscribed, unsubscribed, queued ... -> left -> began | ended
//                          assigned -> received -> done          one QoS 2 copy
//                          assigned ------------> done           one QoS 1 copy
//
// The bytes are version 1 of a format of their own: a type byte, then the fields in order; integers
// little endian, texts with a u16 or u32 length in front. docs/journal-format.md lists them.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"

namespace rowgate::broker {

/// One subscription's options, section 3.8.3.1 of MQTT 5.0.
struct SubscriptionOptions {
  mqtt::QoS qos{};
  bool no_local = false;
  bool retain_as_published = false;
  std::uint32_t identifier = 0;  // 0: none
};

/// A client's Will [MQTT-3.1.2-7]. Views borrow.
struct WillView {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // of the PUBLISH it becomes, wire form, without their length
  mqtt::QoS qos{};
  bool retain = false;
  std::uint32_t delay = 0;  // seconds
};

/// A message as subscribers get it. Views borrow.
struct MessageView {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // those a server forwards, wire form
  mqtt::QoS qos{};
  bool retain = false;
  std::optional<Timestamp> expires;  // Message Expiry Interval, counted from its arrival
};

/// Names a waiting copy within its session (or shared subscription): the position of the record
/// that brought it, so that it is the same after a crash.
using CopyId = std::uint64_t;

namespace event {

struct Began {  // CONNECT was accepted
  std::string_view client_id;
  bool anew = true;          // what there was of the session before is void [MQTT-3.1.2-4]
  std::uint32_t expiry = 0;  // seconds it outlives its connection; 0: it does not
  std::optional<WillView> will;
  std::string_view user{};  // whose session it is; empty: anonymous
};
struct Left {  // the network connection is gone, the session stays
  std::string_view client_id;
  Timestamp at;
  std::uint32_t expiry = 0;   // seconds; DISCONNECT may have changed it
  bool will_pending = false;  // false: none, deleted by DISCONNECT, or published already
};
struct WillDone {  // published, or cancelled by a new connection
  std::string_view client_id;
};
struct Ended {
  std::string_view client_id;
};
struct Subscribed {
  std::string_view client_id;
  std::string_view filter;  // with its `$share/group/`, if any
  SubscriptionOptions options;
};
struct Unsubscribed {
  std::string_view client_id;
  std::string_view filter;
};
/// A retained message for a new subscription, at its QoS, RETAIN set.
struct Queued {
  std::string_view client_id;
  mqtt::QoS qos{};
  std::uint32_t identifier = 0;
  MessageView message;
};
/// A copy got its packet id: it may be sent. By the dispatcher.
struct Assigned {
  std::string_view client_id;
  CopyId copy = 0;
  mqtt::PacketId packet_id = 0;
  std::string_view shared{};  // "$share/group/filter" whose copy it was; empty: the client's own
};
/// A copy is not sent after all: expired, or larger than the client takes. By the dispatcher.
struct Dropped {
  std::string_view client_id;
  CopyId copy = 0;
  std::string_view shared{};
};
/// PUBREC without an error: the client has it, and must not get it again.
struct Received {
  std::string_view client_id;
  mqtt::PacketId packet_id = 0;
};
/// PUBACK, PUBCOMP, or PUBREC with an error: the packet id is free.
struct Done {
  std::string_view client_id;
  mqtt::PacketId packet_id = 0;
};
/// What the client of a shared subscription did not acknowledge goes back to the group, for another
/// member. By the dispatcher.
struct Returned {
  std::string_view client_id;
  mqtt::PacketId packet_id = 0;
};
/// The gateway's own publish, for subscribers only: a receipt.
struct Published {
  MessageView message;
};

}  // namespace event

using SessionEvent =
    std::variant<event::Began, event::Left, event::WillDone, event::Ended, event::Subscribed,
                 event::Unsubscribed, event::Queued, event::Assigned, event::Dropped,
                 event::Received, event::Done, event::Returned, event::Published>;

/// Appends the event's bytes.
void encode(const SessionEvent& event, std::string& out);
/// nullopt: not an event of this version. Views borrow from `bytes`. Allocates nothing.
std::optional<SessionEvent> decode_event(std::string_view bytes) noexcept;

}  // namespace rowgate::broker
