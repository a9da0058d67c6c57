#pragma once
// The server's side of one network connection: bytes in, bytes and journal records out. No socket,
// no timer, no clock of its own. Belongs to the connection's I/O thread.
//
//   awaiting_connect --CONNECT--> awaiting_take_over --session free--> connected
//          |                                                              |
//          +--------------- any error, DISCONNECT, time-out --------------+--> closed
//
// A publish becomes a record in the journal and, at QoS 1 and 2, a PendingAck; nothing is answered
// before the record is durable. Where the journal has no room, receive() stops in front of the
// packet and says `stall`: TCP then holds the client back.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/broker/ack_queue.hpp"
#include "gateway/broker/broker.hpp"
#include "gateway/broker/outgoing.hpp"
#include "gateway/broker/route.hpp"
#include "gateway/mqtt/connect.hpp"
#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/subscribe.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"

namespace rowgate::broker {

/// Both clocks, read once for a run of packets.
struct Moment {
  Timestamp wall;
  std::chrono::steady_clock::time_point ticks;
};

class Session {
 public:
  Session(Broker& broker, ConnectionRef self, std::chrono::steady_clock::time_point opened);

  enum class Next : std::uint8_t {
    read,       // give more bytes
    stall,      // the journal has no room: give the same bytes again after its next commit
    take_over,  // wait for displaced() to leave, then call receive() again
    close,      // send what is in `out`, then close the network connection and call closed()
  };
  struct Received {
    std::size_t consumed = 0;  // bytes that need not be given again
    std::size_t wanted = 1;    // how many bytes in all the next packet takes, as far as known
    Next next = Next::read;
  };

  /// Handles every whole packet in `bytes`. Answers that need not wait go to `out`.
  Received receive(std::string_view bytes, Moment now, std::string& out, AckQueue& acks);

  /// Precondition: the last call said take_over.
  ConnectionRef displaced() const noexcept { return *displaced_; }

  /// The record of `ack` is durable: encodes the acknowledgement.
  void acknowledge(const PendingAck& ack, std::string& out);
  /// A live copy for this client. `close`: it has let too many pile up, and is told so in `out`.
  Next deliver(Delivery&& delivery, std::chrono::steady_clock::time_point now, std::string& out);
  /// Keep alive and connect time-out; about once a second. `waits_for_us`: the silence is ours.
  Next tick(std::chrono::steady_clock::time_point now, bool waits_for_us, std::string& out);
  /// The server ends the connection: in 5.0 the client is told why.
  void disconnect(mqtt::ReasonCode code, std::string& out);
  /// The network connection is gone; the session stays or ends as the client asked. Call once.
  void closed(std::chrono::steady_clock::time_point now);

  /// For the log: why it was closed, or what the client did wrong; may be empty.
  const char* reason() const noexcept { return reason_; }
  std::string_view client_id() const noexcept {
    return subscriber_ ? std::string_view(subscriber_->client_id) : std::string_view{};
  }

 private:
  enum class State : std::uint8_t { awaiting_connect, awaiting_take_over, connected, closed };

  Next handle(const mqtt::Frame& frame, Moment now, std::string& out, AckQueue& acks);
  Next fail(mqtt::Error error, std::string& out);
  /// What stands in `out` behind `before` answers a request.
  Next answered(std::size_t before, std::string& out);
  Next refuse(mqtt::Version version, mqtt::ReasonCode code, const char* reason, std::string& out);

  Next on_connect(const mqtt::Frame& frame, std::string& out);
  Next begin(std::string& out);
  Next on_publish(const mqtt::Frame& frame, Moment now, std::string& out, AckQueue& acks);
  Next on_pubrel(const mqtt::Frame& frame, std::string& out, AckQueue& acks);
  Next on_client_ack(const mqtt::Frame& frame, Moment now, std::string& out);
  Next on_subscribe(const mqtt::Frame& frame, std::string& out);
  Next on_unsubscribe(const mqtt::Frame& frame, std::string& out);
  Next on_disconnect(const mqtt::Frame& frame, std::string& out);

  /// The topic, through its alias where there is one; an error is a protocol error.
  mqtt::Decoded<std::string_view> resolve_alias(std::string_view topic, std::uint16_t alias);
  mqtt::ReasonCode subscribe_one(const mqtt::SubscriptionRequest& request,
                                 std::uint32_t identifier);
  Next not_appended(storage::AppendError error, mqtt::QoS qos, std::string& out);
  Next reject(mqtt::PacketId id, mqtt::QoS qos, std::string& out, AckQueue& acks);
  bool is_unwanted(const mqtt::PublishView& publish, std::string_view topic);
  PendingAck pending(storage::Position end, mqtt::PacketId id, mqtt::PacketType type,
                     mqtt::ReasonCode code = mqtt::ReasonCode::success) const noexcept;
  void publish_live(const mqtt::PublishView& publish, std::string_view topic, Moment now);

  Broker& broker_;
  const ConnectionRef self_;
  State state_ = State::awaiting_connect;
  mqtt::Version version_ = mqtt::Version::v311;
  bool clean_start_ = true;
  bool assigned_id_ = false;
  bool began_ = false;  // a CONNACK said success: the session is this connection's
  std::optional<storage::Position> ended_at_;  // the old session's end, for a new one
  storage::Lane lane_;
  std::uint16_t in_flight_ = 0;   // QoS 1 and 2 of the client's, against receive_maximum
  std::uint16_t keep_alive_ = 0;  // seconds
  std::chrono::seconds expiry_{0};
  bool outlives_us_ = false;  // the session may: then the journal keeps its open QoS 2 ids
  std::vector<mqtt::PacketId> open_ids_;  // else they are here
  bool expiry_capped_ = false;
  std::chrono::steady_clock::time_point heard_;
  std::shared_ptr<Subscriber> subscriber_;
  std::optional<ConnectionRef> displaced_;
  std::optional<Outgoing> outgoing_;  // from the first SUBSCRIBE or live copy on
  Outgoing::Limits limits_;
  std::vector<std::string> aliases_;  // index: alias - 1
  RouteCache routes_;
  const char* reason_ = "";
};

}  // namespace rowgate::broker
