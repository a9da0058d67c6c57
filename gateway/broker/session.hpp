#pragma once
// The server's side of one network connection: bytes in, bytes and journal records out. No socket,
// no timer, no clock of its own. Belongs to the connection's I/O thread.
//
//   awaiting_connect --CONNECT--> awaiting_authentication --verdict--> awaiting_take_over
//          |                                                       session free: Began is durable
//          |                                                                |
//          +---- any error, DISCONNECT, time-out ----> closed <---- connected
//
// A publish becomes a record in the journal and, at QoS 1 and 2, a PendingAck; nothing is answered
// before the record is durable. What concerns subscribers is told to the dispatcher as events
// (session_event.hpp); its copies come back by deliver(). Where the journal has no room, receive()
// stops in front of the packet and says `stall`: TCP then holds the client back.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/broker/ack_queue.hpp"
#include "gateway/broker/broker.hpp"
#include "gateway/broker/peer.hpp"
#include "gateway/broker/rate_limit.hpp"
#include "gateway/broker/route.hpp"
#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/connect.hpp"
#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/subscribe.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"

namespace rowgate::broker {

/// A SUBSCRIBE or UNSUBSCRIBE under way: it may find no room half-way, and then goes on where it
/// was when the packet is given again.
struct SubscribeProgress {
  std::size_t next = 0;  // filter
  std::vector<mqtt::ReasonCode> codes;
  std::vector<std::shared_ptr<const LiveMessage>> retained;  // for the filter at `next`
  std::size_t queued = 0;                                    // of those
  storage::Position known_by;                                // where the journal ended then
  bool waited = false;                                       // since they were looked up
};

class Session {
 public:
  Session(Broker& broker, ConnectionRef self, std::chrono::steady_clock::time_point opened);

  enum class Next : std::uint8_t {
    read,          // give more bytes
    stall,         // the journal has no room: give the same bytes again after its next commit
    hold,          // the client publishes faster than it may: give the same bytes again soon
    authenticate,  // wait for Peers::authenticated(), call authenticated(), then receive() again
    take_over,     // wait for displaced() to leave, then call receive() again
    close,         // send what is in `out`, then close the network connection and call closed()
  };
  struct Received {
    std::size_t consumed = 0;  // bytes that need not be given again
    std::size_t wanted = 1;    // how many bytes in all the next packet takes, as far as known
    Next next = Next::read;
  };

  /// Who is at the other end; before the first bytes.
  void meet(Peer peer) { peer_ = std::move(peer); }

  /// Handles every whole packet in `bytes`. Answers that need not wait go to `out`.
  Received receive(std::string_view bytes, Moment now, std::string& out, AckQueue& acks);

  /// Precondition: the last call said authenticate.
  void authenticated(security::Verdict&& verdict) { verdict_ = std::move(verdict); }
  /// Precondition: the last call said take_over.
  ConnectionRef displaced() const noexcept { return *displaced_; }

  /// The record of `ack` is durable: encodes the acknowledgement.
  void acknowledge(const PendingAck& ack, std::string& out);
  /// What has passed goes to the ledger: after a run of acknowledge() or deliver(). receive() does
  /// it by itself.
  void tell_traffic() noexcept;
  /// The dispatcher's copy of a message for this client, or a PUBREL.
  void deliver(Delivery&& delivery, Moment now, std::string& out);
  /// While receive() cannot go on: takes the PINGREQs out of the whole packets behind `from` in
  /// `bytes`, which are to be handled later, answers them, and moves `from` behind those packets.
  void answer_pings(std::string& bytes, std::size_t& from, std::string& out);
  /// Keep alive, time-outs, a token's end, a changed ACL; about once a second. `waits_for_us`: the
  /// silence is ours.
  Next tick(Moment now, bool waits_for_us, std::string& out);
  /// The server ends the connection: in 5.0 the client is told why.
  void disconnect(mqtt::ReasonCode code, std::string& out);
  /// The network connection is gone; the session stays or ends as the client asked. Call once.
  void closed(Moment now);

  /// For the log: why it was closed, or what the client did wrong; may be empty.
  const char* reason() const noexcept { return reason_; }
  /// A CONNACK said success.
  bool was_let_in() const noexcept { return began_; }
  std::string_view client_id() const noexcept { return client_id_; }

 private:
  enum class State : std::uint8_t {
    awaiting_connect,
    awaiting_authentication,
    awaiting_take_over,
    connected,
    closed
  };
  /// What the client owes for a packet id of ours, or we owe it.
  enum class Await : std::uint8_t { puback, pubrec, our_pubrel, pubcomp };
  // session.cpp
  Next handle(const mqtt::Frame& frame, Moment now, std::string& out, AckQueue& acks);
  Next fail(mqtt::Error error, std::string& out);
  Next on_disconnect(const mqtt::Frame& frame, std::string& out);
  /// What to do after an event or record found no room.
  Next no_room(storage::AppendError error, std::string& out);
  PendingAck pending(storage::Position end, mqtt::PacketId id, mqtt::PacketType type,
                     mqtt::ReasonCode code = mqtt::ReasonCode::success) const noexcept {
    return {end, self_.slot, self_.generation, id, type, code, lane_};
  }

  // session_connect.cpp
  Next on_connect(const mqtt::Frame& frame, std::string& out);
  std::optional<mqtt::Error> take_will(const mqtt::WillView& will);
  Next admit(Moment now, std::string& out);
  Next claim(Moment now, std::string& out);
  Next begin(Moment now, std::string& out);
  /// What to do after the beginning found no room.
  Next not_begun(storage::AppendError error, Moment now, std::string& out);
  Broker::NotTold tell_began(Moment now);
  Next welcome(std::string& out);
  Next refuse(mqtt::Version version, mqtt::ReasonCode code, const char* reason, std::string& out);

  void tell_presence() const;

  // session_publish.cpp
  Next on_publish(const mqtt::Frame& frame, Moment now, std::string& out, AckQueue& acks);
  Next on_pubrel(const mqtt::Frame& frame, std::string& out, AckQueue& acks);
  /// The topic, through its alias where there is one; an error is a protocol error.
  mqtt::Decoded<std::string_view> resolve_alias(std::string_view topic, std::uint16_t alias);
  /// Whether anything there is could refuse it: of most publishes nothing.
  bool may_refuse(const mqtt::PublishView& publish, std::string_view topic) const;
  /// Why the publish is not taken, if it is not.
  std::optional<mqtt::ReasonCode> refusal(const mqtt::PublishView& publish, std::string_view topic,
                                          Moment now);
  bool is_too_deep(std::string_view topic) const noexcept;
  /// Whether the client may have a receipt where it wants one, if it does.
  bool may_have_answer(const mqtt::PublishView& publish, std::string_view topic) const;
  bool fits_mappings(const mqtt::PublishView& publish, std::string_view topic, Moment now);
  Next not_appended(storage::AppendError error, mqtt::QoS qos, std::string& out);
  /// Whether the journal has been full for longer than a client that can be told is to wait.
  bool waited_too_long(storage::AppendError error, Moment now);
  Next reject(mqtt::PacketId id, mqtt::QoS qos, mqtt::ReasonCode code, std::string& out,
              AckQueue& acks);

  // session_subscribe.cpp
  Next on_subscribe(const mqtt::Frame& frame, Moment now, std::string& out, AckQueue& acks);
  Next on_unsubscribe(const mqtt::Frame& frame, std::string& out, AckQueue& acks);
  std::optional<mqtt::ReasonCode> refusal(const mqtt::SubscriptionRequest& request) const;
  Next subscribe_one(const mqtt::SubscriptionRequest& request, std::uint32_t identifier, Moment now,
                     std::string& out);
  Next queue_retained(const mqtt::SubscriptionRequest& request, std::uint32_t identifier,
                      Moment now, std::string& out);
  Next answer_request(mqtt::PacketType type, mqtt::PacketId id, std::string& out, AckQueue& acks);
  void encode_answer(mqtt::PacketType type, mqtt::PacketId id,
                     const std::vector<mqtt::ReasonCode>& codes, std::string& out) const;
  void drop_denied_subscriptions();

  // session_deliver.cpp
  Next on_client_ack(const mqtt::Frame& frame, std::string& out);
  std::uint16_t outgoing_alias(std::string_view topic, bool& is_new);

  Broker& broker_;
  const ConnectionRef self_;
  Peer peer_;
  State state_ = State::awaiting_connect;
  mqtt::Version version_ = mqtt::Version::v311;
  std::chrono::steady_clock::time_point heard_;
  const char* reason_ = "";
  std::optional<mqtt::ReasonCode> end_;  // why the connection ends, as far as anybody said

  // What CONNECT asked for.
  std::string client_id_;
  bool assigned_id_ = false;
  bool clean_start_ = true;
  bool problem_information_ = true;  // the client wants to be told why [MQTT-3.1.2-29]
  std::uint16_t asked_keep_alive_ = 0;
  std::uint16_t keep_alive_ = 0;  // seconds
  std::chrono::seconds asked_expiry_{0};
  std::chrono::seconds expiry_{0};
  std::uint16_t receive_maximum_ = 65535;           // the client's [MQTT-3.3.4-7]
  std::uint32_t maximum_packet_size_ = 0xFFFFFFFF;  // the client's [MQTT-3.1.2-24]
  std::uint16_t topic_alias_maximum_ = 0;           // the client's [MQTT-3.1.2-26]
  std::optional<LastWill> will_;                    // until Began has been told

  // How far its answer has come.
  std::optional<security::Verdict> verdict_;
  security::Identity identity_;
  std::optional<ConnectionRef> displaced_;
  std::shared_ptr<SessionState> session_;  // from the claim on
  bool owns_session_ = false;              // nobody else has it any more
  bool present_ = false;
  bool voided_ = false;            // the old session's packet ids are: there is no way back
  bool told_ = false;              // the dispatcher knows that it began
  bool began_ = false;             // a CONNACK said success
  storage::Position answer_at_{};  // the CONNACK waits until this is durable

  // The client's publishes.
  storage::Lane lane_;
  std::uint16_t in_flight_ = 0;  // QoS 1 and 2 of the client's, against receive_maximum
  bool outlives_us_ = false;     // the session may: then the journal keeps its open QoS 2 ids
  std::vector<mqtt::PacketId> open_ids_;  // else they are here
  struct Refusal {
    mqtt::PacketId packet_id;
    std::string why;
  };
  std::vector<Refusal> refusals_;  // whose PUBACK or PUBREC is not sent yet
  std::string why_refused_;        // of the publish at hand; mostly empty
  std::optional<std::chrono::steady_clock::time_point> full_since_;  // what comes finds no room
  std::vector<std::string> aliases_;                                 // index: alias - 1
  RouteCache routes_;
  const bool looks_closer_;  // the configuration may refuse any publish
  const bool paced_;         // by what follows
  RateLimit publish_rate_;
  RateLimit byte_rate_;
  struct Passed {  // of messages, since the ledger was told
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    std::uint64_t publishes = 0;  // received
    std::uint64_t publish_bytes = 0;
  };
  Passed passed_;

  // What the client subscribed to.
  std::optional<SubscribeProgress> request_;
  std::vector<std::vector<mqtt::ReasonCode>> answers_;  // SUBACKs, UNSUBACKs not yet durable: FIFO
  std::unordered_map<mqtt::PacketId, Await> outstanding_;  // our packet ids on this connection
  std::unordered_map<std::string, std::uint16_t> outgoing_aliases_;
  std::uint64_t acl_generation_ = 0;
};

}  // namespace rowgate::broker
