#pragma once
// One client's connection: moves bytes between its Transport and its Session. Belongs to one
// I/O thread for life. Idle connections hold no buffers: bytes are read into the thread's, and only
// an incomplete packet or unsent answers are kept here.
//
//   reading <--> stalled (journal has no room) | choked (answers not taken)
//      |         held (publishes too fast) | waiting (authentication, take-over)
//      +--------------------> lingering (our last bytes are on their way) --> gone
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/broker/peer.hpp"
#include "gateway/broker/session.hpp"
#include "gateway/net/transport.hpp"

namespace rowgate::net {

class IoThread;

class Connection {
 public:
  Connection(IoThread& thread, broker::ConnectionRef self, std::unique_ptr<Transport> transport,
             broker::Peer peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Counts it among those of that address, which is the client's. False: there are too many.
  bool enter(const std::string& address);
  /// Begins to read.
  void start();
  /// Who is there. Complete before the session is given its first byte; stays where it is.
  const broker::Peer& peer() const noexcept { return peer_; }
  /// The transport has bytes, or its end.
  void on_readable();
  /// The transport takes bytes again.
  void on_writable();
  /// The journal may have room again, the client may publish again, or the session waited for is
  /// free: handles what was kept. While lingering: the pause is over.
  void go_on();

  void acknowledge(const broker::PendingAck& ack) { session_.acknowledge(ack, out_); }
  void deliver(broker::Delivery&& delivery);
  void authenticated(security::Verdict&& verdict);
  /// Sends what is in the out buffer, as far as the transport takes it.
  void flush();
  /// Another connection takes the session: closes this one. False: it must itself wait for the one
  /// before it; `successor` then proceeds when that one has left.
  bool displace(broker::ConnectionRef successor);
  /// Whom to let proceed in this connection's place.
  const std::optional<broker::ConnectionRef>& successor() const noexcept { return successor_; }

  void tick(broker::Moment now);
  /// Server-side end, with the reason in 5.0.
  void disconnect(mqtt::ReasonCode code);
  /// Stops reading for good; acknowledgements still go out.
  void quiesce() noexcept { quiesced_ = true; }

  bool marked() const noexcept { return marked_; }
  void mark(bool on) noexcept { marked_ = on; }

 private:
  enum class State : std::uint8_t { reading, stalled, choked, held, waiting, lingering };

  void linger();
  /// Stalled for long: who waits for acknowledgements still wants his PINGRESP.
  void read_ahead();
  void handle(std::string_view bytes);
  void say_why();
  void keep(std::string_view rest);
  void wait_readable();
  void wait_writable();
  std::size_t unsent() const noexcept { return out_.size() - sent_; }
  /// The session is over; the transport lingers until the client has our last bytes.
  void finish();

  IoThread& thread_;
  const broker::ConnectionRef self_;
  const std::unique_ptr<Transport> transport_;
  broker::Peer peer_;
  broker::Session session_;
  State state_ = State::reading;
  bool quiesced_ = false;
  bool entered_ = false;     // counted among those of peer_.address
  bool introduced_ = false;  // peer_ is complete
  bool writing_ = false;     // waits for the transport to take more
  bool pausing_ = false;     // while lingering: go_on() reads on
  bool marked_ = false;      // in the thread's list of connections to flush
  bool ended_ = false;       // the client has closed while we were stalled
  bool patient_ = false;     // stalled since the last tick, without any progress
  std::string kept_;         // received, not yet handled
  std::size_t looked_ = 0;   // of kept_: looked through for PINGREQs
  std::size_t wanted_ = 1;
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  std::optional<broker::ConnectionRef> successor_;
  std::chrono::steady_clock::time_point linger_until_;
};

}  // namespace rowgate::net
