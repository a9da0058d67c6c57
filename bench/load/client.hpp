#pragma once
// One MQTT connection that publishes and counts acknowledgements.
//
//   idle -> connecting -> waiting (CONNECT sent) -> running -> flushing (PINGREQ sent, QoS 0) ->
//   done
//            ^                  |                      |
//            +---- lost --------+----------------------+   (only with --reconnect; else failed)
//
// Packet ids are the slots of a ring of `window` messages (slot + 1): a slot is used again only
// after all before it are acknowledged, so an id is never in use twice [MQTT-2.2.1-3].
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/counters.hpp"
#include "bench/load/ledger.hpp"
#include "bench/load/options.hpp"
#include "bench/load/packets.hpp"

namespace rowgate::load {

/// What the clients of one thread share. Times are nanoseconds of the steady clock.
struct Lap {
  Lap(const Options& opt, const PublishTemplates& packets)
      : options(opt), templates(packets), ledger(opt.ledger) {}

  const Options& options;
  const PublishTemplates& templates;
  Counters counters;
  Ledger ledger;
  std::vector<char> out;  // packets of the next write
  std::vector<char> in;   // bytes of the last read
  int epoll = -1;
  std::uint64_t start = 0;     // of publishing; 0 before
  std::uint64_t progress = 0;  // the last time anything moved
};

std::uint64_t now_ns() noexcept;

class Client {
 public:
  enum class State : std::uint8_t {
    idle,
    connecting,
    waiting,
    running,
    flushing,
    done,
    lost,
    failed
  };

  /// `share`: how many messages this client publishes.
  Client(Lap& lap, std::uint32_t index, std::uint64_t share);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  State state() const noexcept { return state_; }
  bool over() const noexcept { return state_ == State::done || state_ == State::failed; }

  /// Opens the socket and registers it, edge-triggered, with `tag` as its epoll value.
  void connect(std::uint64_t tag);
  void on_event(std::uint32_t events);
  /// Sends what it may now. True: there is more to send at once, call again.
  bool pump();
  /// Publishes nothing more; what is in flight is still waited for.
  void stop() noexcept { share_ = next_; }
  /// Gives up; what is in flight counts as not acknowledged.
  void abandon();
  /// A lost connection may be opened again from this time on.
  std::uint64_t retry_at() const noexcept { return retry_at_; }

 private:
  enum class Phase : std::uint8_t { free, published, released };

  void lose(std::string_view reason);
  void on_connected();
  void on_readable(bool ending);
  std::size_t take_packets(std::string_view bytes, std::uint64_t now);
  bool take_other(std::uint8_t type, std::string_view body, std::uint64_t now);
  void on_connack(std::string_view body);
  void on_final_ack(std::uint16_t id, bool accepted, std::uint64_t now);
  void on_pubrec(std::uint16_t id, bool accepted, std::uint64_t now);
  void complete(std::size_t slot);
  void append_pubrel(std::size_t slot);

  std::uint64_t allowance(std::uint64_t now) const noexcept;
  std::uint64_t send_time(std::uint64_t now) const noexcept;
  std::size_t build(std::uint64_t now);
  void build_resends(std::size_t& used);
  void send_bytes(const char* bytes, std::size_t size);
  void finish_if_all_acked();
  void disconnect();
  std::size_t slot_of(std::uint64_t k) const noexcept { return k % window_; }
  std::uint64_t count_of(std::size_t slot) const noexcept {
    const std::size_t tail = slot_of(tail_);
    return tail_ + (slot >= tail ? slot - tail : slot + window_ - tail);
  }

  Lap& lap_;
  std::uint32_t index_;
  std::string id_;
  int fd_ = -1;
  State state_ = State::idle;
  bool blocked_ = false;      // the socket took less than offered
  bool was_running_ = false;  // so a CONNACK from now on is a reconnect's
  bool resend_as_dup_ = false;
  std::string pending_;  // bytes to send before any new packet
  std::string partial_;  // a packet of which a part has arrived
  std::uint64_t retry_at_ = 0;

  std::uint64_t share_;
  std::size_t window_;
  std::uint64_t next_ = 0;    // messages published so far
  std::uint64_t tail_ = 0;    // all before it are acknowledged
  std::uint64_t resend_ = 0;  // [resend_, resend_end_) are to be sent again
  std::uint64_t resend_end_ = 0;
  std::uint32_t topic_;
  DecimalCounter sequence_;
  std::vector<std::uint64_t> sent_at_;  // by slot
  std::vector<Phase> phase_;            // by slot
};

}  // namespace rowgate::load
