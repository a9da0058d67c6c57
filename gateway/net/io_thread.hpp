#pragma once
// One I/O thread: an io_context, its listening sockets, its connections, and the acknowledgements
// it owes. Everything here runs on that thread, except where it says "any thread".
#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "gateway/broker/ack_queue.hpp"
#include "gateway/broker/broker.hpp"
#include "gateway/net/acceptor.hpp"
#include "gateway/net/admission.hpp"
#include "gateway/net/connection.hpp"
#include "gateway/net/listener.hpp"
#include "gateway/net/mailbox.hpp"
#include "gateway/net/refusal_log.hpp"
#include "gateway/net/tls_context.hpp"

namespace rowgate::net {

struct NetOptions {
  std::uint32_t max_connections = 100'000;
  std::size_t max_outgoing_bytes = 8U << 20;      // unsent bytes of one subscriber
  std::uint32_t max_connections_per_address = 0;  // 0: no limit
  std::uint32_t max_connects_per_second = 0;      // over all threads; 0: no limit
  bool proxy_protocol = false;  // every connection begins with a PROXY protocol v2 header
};

class IoThread {
 public:
  /// What the threads share lives as long as they. `tls`: null where no listener needs it.
  IoThread(std::uint8_t index, broker::Broker& broker, const std::vector<Bound>& listeners,
           const NetOptions& options, Admission& admission, const TlsContext* tls);
  ~IoThread();

  void start();

  /// Any thread: the journal is durable further on, or has room again.
  void journal_moved();
  /// Any thread.
  void post(Mail&& mail);
  /// No more copies come for now.
  void send_off();
  /// Any thread, once each, in this order; each waits until it is done. quiesce() stops accepting
  /// and reading; say_good_bye() sends the acknowledgements now due and tells the clients; join()
  /// gives them a second to read that, and the thread ends.
  void quiesce();
  void say_good_bye();
  void join();

  // For this thread's connections.
  broker::Broker& broker() noexcept { return broker_; }
  broker::AckQueue& acks() noexcept { return acks_; }
  std::span<char> buffer() noexcept { return {buffer_.get(), buffer_size}; }
  broker::Moment now() const noexcept;
  std::size_t max_outgoing_bytes() const noexcept { return options_.max_outgoing_bytes; }
  Admission& admission() noexcept { return admission_; }
  RefusalLog& refusals() noexcept { return refusals_; }
  /// For its acceptors: a client has come.
  void add(tcp::socket socket, Kind kind, const boost::asio::ip::address& from);
  /// Null when that connection is gone.
  Connection* find(broker::ConnectionRef ref) noexcept { return find(ref.slot, ref.generation); }
  void remove(broker::ConnectionRef ref);
  /// The connection wants go_on() when the journal has moved beyond `seen`: what was durable before
  /// it found no room.
  void stalled(broker::ConnectionRef ref, storage::Position seen) {
    stalled_.push_back(ref);
    stalled_since_ = std::min(stalled_since_, seen);
  }
  /// The connection wants go_on() in a moment: its client publishes faster than it may, or sends on
  /// after its end.
  void hold(broker::ConnectionRef ref);
  /// Ends each handler: asks to be woken for what is still owed.
  void settle();

 private:
  static constexpr std::size_t buffer_size = 256U << 10;
  static constexpr storage::Position never{UINT64_MAX};
  static constexpr std::size_t tick_slices = 20;  // a second

  struct Slot {
    std::unique_ptr<Connection> connection;
    std::uint32_t generation = 0;
  };

  Connection* find(std::uint32_t slot, std::uint32_t generation) noexcept;
  std::unique_ptr<Transport> transport(tcp::socket socket, Kind kind, broker::ConnectionRef ref);
  void tick();
  void release_acks();
  void retry_stalled();
  void flush_marked();
  void mark(Connection& connection, broker::ConnectionRef ref);
  void open_mail();
  void open_mail_soon();
  void open(TakeOver& mail);
  void open(Proceed& mail);
  void open(broker::Delivery& mail);
  void open(Authenticated& mail);
  template <class F>
  void run_and_wait(F f);

  const std::uint8_t index_;
  broker::Broker& broker_;
  const NetOptions options_;
  Admission& admission_;
  RefusalLog refusals_;
  const TlsContext* const tls_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::deque<Acceptor> acceptors_;
  boost::asio::steady_timer ticker_;
  std::size_t tick_slice_ = 0;       // whose turn is next
  boost::asio::steady_timer pause_;  // at the end, before giving up
  std::unique_ptr<char[]> buffer_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  broker::AckQueue acks_;
  std::vector<broker::ConnectionRef> stalled_;
  storage::Position stalled_since_ = never;  // the least `seen` of those
  std::vector<broker::ConnectionRef> held_;
  boost::asio::steady_timer hold_;  // runs while there are any of those
  std::vector<broker::ConnectionRef> retrying_;
  std::vector<broker::ConnectionRef> marked_;  // have answers to flush
  Mailbox mailbox_;
  std::vector<Mail> mail_;
  bool quiesced_ = false;
  bool finishing_ = false;
  std::atomic<bool> waiting_{false};  // wants journal_moved(); any thread
  std::thread thread_;
};

}  // namespace rowgate::net
