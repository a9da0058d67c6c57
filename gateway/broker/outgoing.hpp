#pragma once
// Live copies on their way to one subscriber: packet ids, the client's Receive Maximum, and the
// bounded queue behind it. Both QoS 1 and 2 hand-shakes of section 4.3, sender's side. Belongs to
// the connection: what a client had not acknowledged when it left is not sent again in this
// version.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::broker {

/// One publish, shared by all its recipients.
struct LiveMessage {
  std::string topic;
  std::string payload;
  std::string properties;  // those a server forwards, wire form
  mqtt::QoS qos{};
  bool retain = false;
  std::optional<std::chrono::steady_clock::time_point> expires{};  // Message Expiry Interval
};

/// One recipient's copy, on its way to the I/O thread that has the connection.
struct Delivery {
  std::shared_ptr<const LiveMessage> message;
  ConnectionRef to;
  mqtt::QoS qos{};
  bool retain = false;
  std::vector<std::uint32_t> identifiers;

  /// What it takes while it waits, as if no other recipient shared the message.
  std::size_t bytes() const noexcept;
};

class Outgoing {
 public:
  struct Limits {
    mqtt::Version version{};
    std::uint16_t receive_maximum = 65535;           // the client's [MQTT-3.3.4-7]
    std::uint32_t maximum_packet_size = 0xFFFFFFFF;  // the client's [MQTT-3.1.2-24]
    std::size_t max_queued_bytes = 8U << 20;
  };
  explicit Outgoing(Limits limits) : limits_(limits) {}

  using Time = std::chrono::steady_clock::time_point;

  enum class Sent : std::uint8_t {
    yes,      // or waits behind the Receive Maximum
    dropped,  // the message has expired, or the packet is larger than the client takes
    overrun,  // more waits than max_queued_bytes: the client would miss a promised copy
  };
  /// Encodes the copy into `out`, or queues it.
  Sent send(Delivery&& delivery, Time now, std::string& out);

  /// PUBACK, PUBREC or PUBCOMP of the client; answers (PUBREL) and queued copies go to `out`.
  /// False: there is no such packet id in that state.
  bool acknowledged(mqtt::PacketType type, const mqtt::Ack& ack, Time now, std::string& out);

 private:
  enum class Await : std::uint8_t { puback, pubrec, pubcomp };
  bool encode(const Delivery& delivery, Time now, std::string& out);
  mqtt::PacketId next_id();
  void send_queued(Time now, std::string& out);

  Limits limits_;
  std::unordered_map<mqtt::PacketId, Await> in_flight_;
  std::deque<Delivery> queued_;
  std::size_t queued_bytes_ = 0;
  mqtt::PacketId last_id_ = 0;
};

}  // namespace rowgate::broker
