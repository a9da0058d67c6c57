#pragma once
// A message on its way to one subscriber: from the dispatcher to the I/O thread that has the
// connection.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"

namespace rowgate::broker {

/// One publish, shared by all its recipients. Immutable.
struct LiveMessage {
  std::string topic;
  std::string payload;
  std::string properties;  // those a server forwards, wire form
  mqtt::QoS qos{};
  bool retain = false;
  std::optional<Timestamp> expires{};  // Message Expiry Interval, counted from its arrival
};

/// One recipient's copy. Without a message: a PUBREL for packet_id.
struct Delivery {
  std::shared_ptr<const LiveMessage> message;
  ConnectionRef to;
  mqtt::PacketId packet_id = 0;  // at QoS 1 and 2: chosen by the dispatcher
  mqtt::QoS qos{};
  bool retain = false;
  bool dup = false;  // sent before, on this session's last connection [MQTT-3.3.1-1]
  std::vector<std::uint32_t> identifiers;

  /// What it takes while it waits, as if no other recipient shared the message.
  std::size_t bytes() const noexcept;
};

}  // namespace rowgate::broker
