#pragma once
// A device that publishes: the client's side of MQTT, with what it remembers of its session, as the
// specification has it: unacknowledged PUBLISHes and PUBRELs are sent again, in their order, when
// it finds its session again (4.4), and forgotten when the server has forgotten it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/types.hpp"
#include "tests/simulation/client.hpp"
#include "tests/simulation/messages.hpp"

namespace rowgate::simulation {

class Device : public Client {
 public:
  Device(std::size_t number, bool persistent, mqtt::Version version, Messages& messages,
         Random& random, Trace& trace);

  bool has_answers() const noexcept { return !answers_.empty(); }
  /// Nothing of what it sent waits for an answer.
  bool at_rest() const noexcept { return in_flight_.empty() && answers_.empty(); }
  bool may_publish() const noexcept {
    return state_ == State::connected && in_flight_.size() < most_in_flight;
  }

  // What it sends. `connection` is a new one.
  std::string connect(std::uint32_t connection);
  std::string publish();
  std::string disconnect();
  /// Takes up one of the server's answers; what it sends then.
  std::string read();
  /// The network connection is gone, and what was on its way with it.
  void lose_connection();

  /// The server sends this on that connection: what it says there holds, whether it arrives or not.
  void hear(std::uint32_t connection, std::string_view bytes);

 private:
  static constexpr std::size_t most_in_flight = 4;
  static constexpr std::size_t packet_ids = most_in_flight + 1;  // from 1

  struct InFlight {
    std::uint16_t packet_id;
    std::uint8_t qos;
    bool released = false;  // PUBREC has come
    bool retain = false;
    std::uint64_t message;
    std::string topic;
    std::string payload;
  };
  struct Answer {
    mqtt::PacketType type;
    std::uint16_t id = 0;  // CONNACK: session present
    std::uint8_t code = 0;
  };
  std::string welcome(const Answer& answer);
  std::string encode(const InFlight& publish, bool dup) const;
  std::string pubrel(std::uint16_t id);
  std::uint16_t free_id() const;
  void promise(std::uint32_t connection, const Answer& answer);
  /// The session's state on this side is gone: what was not acknowledged may be published anew,
  /// which makes another message of it. At QoS 2 that could make two of one: the device gives it
  /// up.
  void forget_session();
  struct Link {
    std::uint32_t connection;
    std::array<std::uint64_t, packet_ids> sent{};  // packet id -> message
  };

  Messages& messages_;
  std::deque<InFlight> in_flight_;
  std::deque<Answer> answers_;  // on their way
  std::vector<Link> links_;     // all there have been; the last one is in use
};

}  // namespace rowgate::simulation
