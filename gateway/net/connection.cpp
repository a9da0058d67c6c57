#include "gateway/net/connection.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/net/io_thread.hpp"

namespace rowgate::net {
namespace {

constexpr std::size_t choke_bytes = 256U << 10;  // unsent answers above which we stop reading
constexpr std::size_t keep_capacity = 4096;      // of a buffer that has become empty
constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t first_read = 16U << 10;   // of a newcomer, who may not mean MQTT at all
constexpr std::size_t look_ahead = 256U << 10;  // kept of a client that is stalled, at most
constexpr std::size_t linger_read = 16U << 10;  // a pause, of what nobody wants any more

/// A client that nobody has let in, as a line of the log has it: in one line, and a short one.
std::string name_of_stranger(std::string_view client_id) {
  if (client_id.empty()) return "a client";
  constexpr std::size_t longest = 64;
  std::string name(client_id.substr(0, longest));
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < ' ') c = '?';
  }
  return fmt::format("'{}'{}", name, client_id.size() > longest ? "..." : "");
}

void empty(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > keep_capacity) std::string().swap(buffer);
}

// Waiting finds its connection by the ref, so that one which is gone is simply not found.
template <void (Connection::*event)()>
void wake(void* context, broker::ConnectionRef ref) {
  IoThread& thread = *static_cast<IoThread*>(context);
  if (Connection* connection = thread.find(ref)) (connection->*event)();
  thread.settle();
}

}  // namespace

Connection::Connection(IoThread& thread, broker::ConnectionRef self,
                       std::unique_ptr<Transport> transport, broker::Peer peer)
    : thread_(thread),
      self_(self),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      session_(thread.broker(), self, std::chrono::steady_clock::now()) {}

Connection::~Connection() {
  if (entered_) thread_.admission().leave(peer_.address);
}

bool Connection::enter(const std::string& address) {
  if (!thread_.admission().enter(address)) {
    thread_.broker().counters.refused.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  peer_.address = address;
  entered_ = true;
  return true;
}

void Connection::start() {
  wait_readable();
}

void Connection::wait_readable() {
  if (quiesced_ && state_ != State::lingering) return;
  transport_->wait_readable({wake<&Connection::on_readable>, &thread_, self_});
}

void Connection::wait_writable() {
  writing_ = true;
  transport_->wait_writable({wake<&Connection::on_writable>, &thread_, self_});
}

// Little at a time: one who goes on sending whatever we say must not take the thread from others;
// his window stays small, and his sending waits.
void Connection::linger() {
  const Transfer got = transport_->receive(thread_.buffer().first(linger_read));
  if (got.flow == Flow::would_block) return wait_readable();
  if (got.flow != Flow::closed) {
    pausing_ = true;
    return thread_.hold(self_);
  }
  if (successor_) return;  // still stands in the chain of take-overs
  thread_.remove(self_);
}

void Connection::on_readable() {
  if (state_ == State::lingering) return linger();
  if (state_ != State::reading || quiesced_) return;

  // A packet larger than the thread's buffer gathers in a buffer of its own.
  const std::span<char> shared = thread_.buffer();
  const std::size_t had = kept_.size();
  const bool own = had > 0 && wanted_ > shared.size();
  char* to = shared.data();
  std::size_t room = introduced_ ? shared.size() : first_read;
  if (own) {
    room = std::min(wanted_ - had, std::max(had, shared.size()));
    kept_.resize(had + room);
    to = kept_.data() + had;
  } else if (had > 0) {
    std::memcpy(to, kept_.data(), had);
    to += had;
    room -= had;
  }
  const Transfer got = transport_->receive({to, room});
  if (own) kept_.resize(had + got.bytes);
  if (got.flow == Flow::would_block) return wait_readable();
  if (got.flow != Flow::bytes) {
    const std::string_view why =
        got.flow == Flow::failed ? transport_->reason() : "the client closed the connection";
    spdlog::debug("{} {}: {}", peer_.address, session_.client_id(), why);
    out_.clear();
    sent_ = 0;
    return finish();
  }
  if (!introduced_) {
    introduced_ = true;
    transport_->describe(peer_);
    session_.meet(peer_);
  }
  thread_.broker().ledger.passed(self_.thread, broker::Traffic::bytes_received, got.bytes);
  handle(own ? std::string_view(kept_) : std::string_view(shared.data(), had + got.bytes));
}

void Connection::go_on() {
  if (state_ == State::lingering && std::exchange(pausing_, false)) return wait_readable();
  if (state_ == State::reading || state_ == State::lingering) return;
  if (quiesced_) return;
  state_ = State::reading;
  const std::string bytes = std::move(kept_);
  kept_.clear();
  handle(bytes);
}

void Connection::handle(std::string_view bytes) {
  using Next = broker::Session::Next;
  const storage::Position durable = thread_.broker().journal.durable();
  const auto received = session_.receive(bytes, thread_.now(), out_, thread_.acks());
  keep(bytes.substr(received.consumed));
  looked_ = 0;
  wanted_ = received.wanted;
  if (received.consumed > 0) patient_ = false;
  flush();
  if (state_ == State::lingering) return;  // the transport broke under flush()
  switch (received.next) {
    case Next::read:
      if (unsent() > choke_bytes) {
        state_ = State::choked;
      } else if (ended_) {
        finish();
      } else {
        wait_readable();
      }
      return;
    case Next::stall:
      state_ = State::stalled;
      return thread_.stalled(self_, durable);
    case Next::hold:
      state_ = State::held;
      return thread_.hold(self_);
    case Next::authenticate:
      state_ = State::waiting;
      return;
    case Next::take_over:
      state_ = State::waiting;
      return thread_.broker().peers.take_over(session_.displaced(), self_);
    case Next::close:
      say_why();
      return finish();
  }
}

void Connection::read_ahead() {
  if (unsent() > choke_bytes) return;
  while (!ended_ && kept_.size() < look_ahead) {
    const std::span<char> shared = thread_.buffer();
    const Transfer got =
        transport_->receive(shared.first(std::min(shared.size(), look_ahead - kept_.size())));
    if (got.flow == Flow::would_block) break;
    ended_ = got.flow != Flow::bytes;
    if (ended_) break;  // what it sent before is still to be handled
    kept_.append(shared.data(), got.bytes);
    thread_.broker().ledger.passed(self_.thread, broker::Traffic::bytes_received, got.bytes);
  }
  session_.answer_pings(kept_, looked_, out_);
  flush();
}

void Connection::say_why() {
  const std::string_view why = session_.reason();
  if (why.empty()) return;
  if (session_.was_let_in()) {
    return spdlog::debug("{}: connection closed: {}", session_.client_id(), why);
  }
  if (const auto others = thread_.refusals().refused(thread_.now().ticks)) {
    spdlog::warn("refused {} at {}: {}{}", name_of_stranger(session_.client_id()), peer_.address,
                 why, *others == 0 ? "" : fmt::format("; and {} others before", *others));
  }
}

void Connection::keep(std::string_view rest) {
  if (rest.empty()) return empty(kept_);
  const bool inside = rest.data() >= kept_.data() && rest.data() < kept_.data() + kept_.size();
  if (inside) {
    kept_.erase(0, kept_.size() - rest.size());
  } else {
    kept_.assign(rest);
  }
}

void Connection::flush() {
  session_.tell_traffic();
  if (writing_ || out_.empty()) return;
  while (sent_ < out_.size()) {
    const Transfer sent = transport_->send({out_.data() + sent_, unsent()});
    if (sent.flow == Flow::would_block) {
      out_.erase(0, sent_);
      sent_ = 0;
      return wait_writable();
    }
    if (sent.flow != Flow::bytes) {
      empty(out_);
      sent_ = 0;
      if (state_ != State::lingering) finish();
      return;
    }
    sent_ += sent.bytes;
    thread_.broker().ledger.passed(self_.thread, broker::Traffic::bytes_sent, sent.bytes);
  }
  empty(out_);
  sent_ = 0;
}

void Connection::on_writable() {
  writing_ = false;
  flush();
  if (state_ == State::lingering && out_.empty()) transport_->shutdown_send();
  if (state_ == State::choked && unsent() <= choke_bytes / 2) go_on();
}

void Connection::deliver(broker::Delivery&& delivery) {
  if (state_ == State::lingering || state_ == State::waiting) return;
  if (delivery.message && unsent() > thread_.max_outgoing_bytes()) {
    thread_.broker().counters.undelivered.fetch_add(1, std::memory_order_relaxed);
    if (delivery.qos != mqtt::QoS::at_most_once) disconnect(mqtt::ReasonCode::quota_exceeded);
    return;
  }
  session_.deliver(std::move(delivery), thread_.now(), out_);
}

void Connection::authenticated(security::Verdict&& verdict) {
  if (state_ != State::waiting) return;
  session_.authenticated(std::move(verdict));
  go_on();
}

bool Connection::displace(broker::ConnectionRef successor) {
  if (state_ == State::lingering && !successor_) return true;
  if (state_ == State::waiting || successor_) {
    successor_ = successor;
    if (state_ != State::lingering) finish();
    return false;
  }
  disconnect(mqtt::ReasonCode::session_taken_over);
  return true;
}

void Connection::disconnect(mqtt::ReasonCode code) {
  if (state_ == State::lingering) return;
  session_.disconnect(code, out_);
  flush();
  if (state_ != State::lingering) finish();
}

void Connection::tick(broker::Moment now) {
  if (state_ == State::lingering) {
    if (now.ticks >= linger_until_ && !successor_) thread_.remove(self_);
    return;
  }
  const bool waits_for_us =
      quiesced_ || state_ == State::stalled || state_ == State::held || state_ == State::waiting;
  if (state_ == State::stalled && !quiesced_ && session_.was_let_in()) {
    if (std::exchange(patient_, true)) read_ahead();
    if (state_ == State::lingering) return;
  }
  if (session_.tick(now, waits_for_us, out_) == broker::Session::Next::close) {
    spdlog::debug("{}: connection closed: {}", session_.client_id(), session_.reason());
    flush();
    if (state_ != State::lingering) finish();
  }
}

// Closing at once would reset the connection where the client has sent more than we have read, and
// it would never see our last packet: so our side is shut down and the rest read to its end.
void Connection::finish() {
  const broker::Moment now = thread_.now();
  state_ = State::lingering;
  linger_until_ = now.ticks + linger_time;
  empty(kept_);
  session_.closed(now);
  if (out_.empty()) transport_->shutdown_send();
  transport_->cancel();  // waits begun for other purposes
  wait_readable();
  if (!out_.empty()) wait_writable();
}

}  // namespace rowgate::net
