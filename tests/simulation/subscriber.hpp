#pragma once
// A client that subscribes: its side of a session as the specification has it, with a Will now and
// then, and books of what came to it. What it was promised holds whether the packets that say so
// arrive or are lost with their connection; what came to it is what it has read.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/types.hpp"
#include "tests/simulation/client.hpp"
#include "tests/simulation/messages.hpp"

namespace rowgate::simulation {

class Subscriber : public Client {
 public:
  struct Options {
    std::size_t number = 0;   // no device has it
    bool persistent = false;  // its session outlives its connections
    mqtt::Version version{};
    std::uint16_t receive_maximum = 0;  // 5.0; 0: it says nothing
    std::string probe{};  // not empty: it subscribes to this at QoS 2, and to nothing else
  };
  Subscriber(Options options, Messages& messages, Random& random, Trace& trace);

  bool has_packets() const noexcept { return !packets_.empty(); }
  bool may_ask() const noexcept { return state_ == State::connected && !asked_; }
  /// It is subscribed to nothing, or was not answered.
  bool must_ask() const noexcept;
  /// It has what it asked for, and nothing is on its way.
  bool at_rest() const noexcept;

  // What it sends. `connection` is a new one.
  std::string connect(std::uint32_t connection);
  /// SUBSCRIBE or UNSUBSCRIBE. Precondition: may_ask().
  std::string ask();
  std::string disconnect();
  /// Takes up one of the server's packets; what it answers.
  std::string read();
  /// The network connection is gone, and what was on its way with it.
  void lose_connection();

  /// The server sends this on that connection.
  void hear(std::uint32_t connection, std::string_view bytes);

  /// Nothing is on its way any more: what was to come has come. Throws Violation.
  void compare() const;
  /// And it has just the messages that are retained.
  void compare_retained() const;

 private:
  struct Subscription {
    std::string filter;
    std::uint8_t qos;
    bool sure = false;                     // the last that was asked about it was answered
    std::uint64_t since = UINT64_MAX;      // messages from this number on must come, at QoS 1 and 2
    std::uint64_t qos_since = UINT64_MAX;  // and at the QoS it now has
  };
  struct Asked {
    bool subscribe;
    std::string filter;
    std::uint16_t id;
  };
  /// A message that was retained on that topic at this place, or a later one.
  struct Expected {
    std::string topic;
    std::uint64_t place;
  };
  struct Link {
    bool let_in = false;   // CONNACK with success
    bool goodbye = false;  // DISCONNECT that takes the Will back
    bool delayed = false;  // its Will
    std::optional<std::uint64_t> will;
  };
  struct Packet {
    mqtt::PacketType type;
    std::uint16_t id = 0;  // CONNACK: session present
    std::uint8_t code = 0;
    std::uint8_t qos = 0;
    bool retain = false;
    bool dup = false;
    std::uint64_t message = 0;
  };
  struct Book {
    std::uint32_t first = 0;     // sent without DUP
    std::uint32_t exact = 0;     // taken at QoS 2
    std::uint32_t arrived = 0;   // at QoS 1 or 2, last in this session
    std::uint32_t retained = 0;  // as a retained message, last in this session
  };

  Packet decode(const mqtt::Frame& frame) const;
  void promise(std::uint32_t connection, const Packet& packet);
  void promise_copy(std::uint32_t connection, const Packet& packet);
  std::string welcome(const Packet& packet);
  std::string take(const Packet& packet);
  void note(const Packet& packet);
  void check_qos(const Packet& packet) const;
  void answered(const Packet& packet);
  std::string subscribe(const std::string& filter, std::uint8_t qos);
  std::string unsubscribe(Subscription& subscription);
  void settle_will(bool clean);
  void forget_session();
  Subscription* find(std::string_view filter) noexcept;
  std::string new_filter();
  bool is_owed(std::uint64_t message) const;
  Book& book(std::uint64_t message);
  [[noreturn]] void fail(std::string_view what, std::uint64_t message) const;

  const Options options_;
  Messages& messages_;

  Link link_;
  std::vector<std::uint64_t> wills_;  // of its connections until the last CONNACK
  std::set<std::uint16_t> on_wire_;   // packet ids on this connection, not yet answered
  std::deque<Packet> packets_;        // on their way

  // Its session.
  std::uint32_t session_ = 1;  // counts them
  std::vector<Subscription> subscriptions_;
  std::optional<Asked> asked_;
  std::uint16_t last_id_ = 0;
  std::vector<Expected> expected_;               // once `asked_` is answered
  std::size_t expected_before_ = 0;              // of those, not of `asked_`
  std::uint64_t nothing_since_ = 0;              // from this message on: only what it asked for
  std::map<std::uint16_t, std::uint64_t> held_;  // QoS 2, not yet released: the messages
  std::map<std::size_t, std::uint64_t> newest_;  // message that has come, by its client
  std::vector<Book> books_;                      // by message
};

}  // namespace rowgate::simulation
