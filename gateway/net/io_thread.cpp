#include "gateway/net/io_thread.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <boost/asio/post.hpp>
#include <future>

#include "gateway/net/address.hpp"
#include "gateway/net/proxied_transport.hpp"
#include "gateway/net/tcp_transport.hpp"
#include "gateway/net/tls_transport.hpp"
#include "gateway/net/websocket_transport.hpp"

namespace rowgate::net {

using broker::ConnectionRef;
namespace asio = boost::asio;

namespace {
constexpr std::chrono::milliseconds hold_time{10};
constexpr std::chrono::milliseconds good_bye_time{1000};  // for clients to read our last bytes
}  // namespace

IoThread::IoThread(std::uint8_t index, broker::Broker& broker, const std::vector<Bound>& listeners,
                   const NetOptions& options, Admission& admission, const TlsContext* tls)
    : index_(index),
      broker_(broker),
      options_(options),
      admission_(admission),
      tls_(tls),
      work_(asio::make_work_guard(io_)),
      ticker_(io_),
      pause_(io_),
      buffer_(std::make_unique<char[]>(buffer_size)),
      acks_(broker.committed),
      hold_(io_) {
  for (const Bound& bound : listeners) acceptors_.emplace_back(*this, io_, bound);
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  io_.stop();
  thread_.join();
}

void IoThread::start() {
  for (Acceptor& acceptor : acceptors_) acceptor.start();
  tick();
  thread_ = std::thread([this] { io_.run(); });
  pthread_setname_np(thread_.native_handle(), fmt::format("rowgate-io-{}", index_).c_str());
}

broker::Moment IoThread::now() const noexcept {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(wall).count()},
          std::chrono::steady_clock::now()};
}

void IoThread::add(tcp::socket socket, Kind kind, const asio::ip::address& from) {
  auto& connections = broker_.counters.connections;
  if (connections.load(std::memory_order_relaxed) >= options_.max_connections ||
      (free_slots_.empty() && slots_.size() >= broker::max_slots)) {
    broker_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return;  // closes the socket
  }
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  std::uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  if (++slot.generation == 0) slot.generation = 1;
  const ConnectionRef ref{index_, index, slot.generation};
  std::string address = address_text(from);
  slot.connection = std::make_unique<Connection>(
      *this, ref, transport(std::move(socket), kind, ref), broker::Peer{.address = address});
  connections.fetch_add(1, std::memory_order_relaxed);
  if (!options_.proxy_protocol && !slot.connection->enter(address)) return remove(ref);
  slot.connection->start();
}

// From the wire up: who it is, whether others may read it, how MQTT is wrapped.
std::unique_ptr<Transport> IoThread::transport(tcp::socket socket, Kind kind, ConnectionRef ref) {
  std::unique_ptr<Transport> top = std::make_unique<TcpTransport>(std::move(socket));
  if (options_.proxy_protocol) {
    top =
        std::make_unique<ProxiedTransport>(std::move(top), [this, ref](const std::string& client) {
          Connection* connection = find(ref);
          return connection && connection->enter(client);
        });
  }
  if (is_tls(kind)) {
    top = std::make_unique<TlsTransport>(std::move(top), *tls_->current(), tls_->user());
  }
  if (is_websocket(kind)) top = std::make_unique<WebSocketTransport>(std::move(top));
  return top;
}

Connection* IoThread::find(std::uint32_t slot, std::uint32_t generation) noexcept {
  if (slot >= slots_.size() || slots_[slot].generation != generation) return nullptr;
  return slots_[slot].connection.get();
}

void IoThread::remove(ConnectionRef ref) {
  if (!find(ref)) return;
  // It may be one of its own functions that asks: it is destroyed when they have returned.
  asio::post(io_, [gone = std::move(slots_[ref.slot].connection)] {});
  free_slots_.push_back(ref.slot);
  broker_.counters.connections.fetch_sub(1, std::memory_order_relaxed);
  if (finishing_ && slots_.size() == free_slots_.size()) io_.stop();
}

// A slice of the connections at a time: all of many thousands at once would hold up the others'
// reads and acknowledgements for more than a millisecond.
void IoThread::tick() {
  const broker::Moment moment = now();
  for (std::size_t i = tick_slice_; i < slots_.size(); i += tick_slices) {
    if (slots_[i].connection) slots_[i].connection->tick(moment);
  }
  if (index_ == 0 && tick_slice_ == 0) broker_.visit_due(moment, index_);
  tick_slice_ = (tick_slice_ + 1) % tick_slices;
  ticker_.expires_after(std::chrono::milliseconds(1000) / tick_slices);
  ticker_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    tick();
    settle();
  });
}

// The journal's commit thread reads waiting_ after it has published durable(); this thread writes
// waiting_ before it reads durable(). So one of the two sees the other, and no wake-up is lost.
// Where the journal is full, no commit comes: whoever trims it calls journal_moved().
void IoThread::settle() {
  if (acks_.empty() && stalled_.empty()) return;
  if (waiting_.exchange(true)) return;
  const storage::Position durable = broker_.journal.durable();
  if (stalled_since_ < durable || acks_.due(durable)) journal_moved();
}

void IoThread::journal_moved() {
  if (!waiting_.exchange(false)) return;
  asio::post(io_, [this] {
    release_acks();
    retry_stalled();
    settle();
  });
}

void IoThread::release_acks() {
  acks_.release(broker_.journal.durable(), [this](const broker::PendingAck& ack) {
    Connection* connection = find(ack.slot, ack.generation);
    if (!connection) return;  // gone: the client will send again
    connection->acknowledge(ack);
    mark(*connection, {index_, ack.slot, ack.generation});
  });
  flush_marked();
}

void IoThread::mark(Connection& connection, ConnectionRef ref) {
  if (connection.marked()) return;
  connection.mark(true);
  marked_.push_back(ref);
}

void IoThread::flush_marked() {
  for (const ConnectionRef ref : marked_) {
    Connection* connection = find(ref);
    if (!connection) continue;
    connection->mark(false);
    connection->flush();
  }
  marked_.clear();
}

void IoThread::retry_stalled() {
  std::swap(retrying_, stalled_);
  stalled_since_ = never;
  for (const ConnectionRef ref : retrying_) {
    if (Connection* connection = find(ref)) connection->go_on();
  }
  retrying_.clear();
}

void IoThread::hold(ConnectionRef ref) {
  held_.push_back(ref);
  if (held_.size() > 1) return;  // the timer runs
  hold_.expires_after(hold_time);
  hold_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    for (const ConnectionRef held : std::exchange(held_, {})) {
      if (Connection* connection = find(held)) connection->go_on();
    }
    settle();
  });
}

void IoThread::post(Mail&& mail) {
  if (mailbox_.put(std::move(mail))) open_mail_soon();
}

void IoThread::send_off() {
  if (mailbox_.send_off()) open_mail_soon();
}

void IoThread::open_mail_soon() {
  asio::post(io_, [this] {
    open_mail();
    settle();
  });
}

void IoThread::open_mail() {
  release_acks();  // a SUBACK that is due goes before the first copies of its subscription
  const Mailbox::Lost lost = mailbox_.take(mail_);
  for (Mail& mail : mail_) std::visit([this](auto& m) { open(m); }, mail);
  mail_.clear();  // what is delivered need not wait for the next mail to be freed
  broker_.counters.undelivered.fetch_add(lost.copies, std::memory_order_relaxed);
  for (const ConnectionRef ref : lost.promised) {
    if (Connection* c = find(ref)) c->disconnect(mqtt::ReasonCode::quota_exceeded);
  }
  flush_marked();
}

void IoThread::open(TakeOver& mail) {
  Connection* connection = find(mail.displaced);
  if (connection && !connection->displace(mail.successor)) return;
  broker_.peers.proceed(mail.successor);
}

void IoThread::open(Proceed& mail) {
  Connection* connection = find(mail.successor);
  if (!connection) return;
  if (const auto& next = connection->successor()) {
    broker_.peers.proceed(*next);
    return remove(mail.successor);
  }
  connection->go_on();
}

void IoThread::open(broker::Delivery& mail) {
  Connection* connection = find(mail.to);
  if (!connection) return;
  const ConnectionRef ref = mail.to;
  connection->deliver(std::move(mail));
  mark(*connection, ref);
}

void IoThread::open(Authenticated& mail) {
  if (Connection* connection = find(mail.waiting))
    connection->authenticated(std::move(mail.verdict));
}

template <class F>
void IoThread::run_and_wait(F f) {
  std::promise<void> done;
  asio::post(io_, [&] {
    f();
    done.set_value();
  });
  done.get_future().wait();
}

void IoThread::quiesce() {
  run_and_wait([this] {
    quiesced_ = true;
    for (Acceptor& acceptor : acceptors_) acceptor.stop();
    for (Slot& slot : slots_) {
      if (slot.connection) slot.connection->quiesce();
    }
  });
}

void IoThread::say_good_bye() {
  run_and_wait([this] {
    release_acks();
    for (Slot& slot : slots_) {
      if (slot.connection) slot.connection->disconnect(mqtt::ReasonCode::server_shutting_down);
    }
    ticker_.cancel();
    if (slots_.size() == free_slots_.size()) return io_.stop();
    finishing_ = true;
    pause_.expires_after(good_bye_time);
    pause_.async_wait([this](const boost::system::error_code&) { io_.stop(); });
  });
}

void IoThread::join() {
  thread_.join();
}

}  // namespace rowgate::net
