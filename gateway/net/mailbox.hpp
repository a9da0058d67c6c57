#pragma once
// What other threads ask of an I/O thread. put() and send_off() from any thread; the owner takes
// all at once. Copies gather until they are many or the dispatcher says that this was all for now,
// since waking a thread costs more than what it then does for one copy.
// Bounded: of live copies by their bytes, of the rest by the number of connections.
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/broker/broker.hpp"

namespace rowgate::net {

/// Close `displaced`; when it has left its session, let `successor` go on.
struct TakeOver {
  broker::ConnectionRef displaced;
  broker::ConnectionRef successor;
};
/// The session that `successor` waited for is free.
struct Proceed {
  broker::ConnectionRef successor;
};
/// What `waiting` wanted to know: who its client is.
struct Authenticated {
  broker::ConnectionRef waiting;
  security::Verdict verdict;
};
using Mail = std::variant<TakeOver, Proceed, broker::Delivery, Authenticated>;

class Mailbox {
 public:
  static constexpr std::size_t default_bytes = 32U << 20;
  static constexpr std::size_t many = 256;  // do not wait for send_off()

  explicit Mailbox(std::size_t max_bytes = default_bytes) : max_bytes_(max_bytes) {}

  /// Live copies that found no room.
  struct Lost {
    std::uint64_t copies = 0;
    std::set<broker::ConnectionRef> promised;  // who missed one of QoS 1 or 2
  };

  /// True: the owner has to be woken.
  bool put(Mail&& mail) {
    const auto* copy = std::get_if<broker::Delivery>(&mail);
    // A PUBREL always finds room: a client in want of one would never free its packet id.
    const std::size_t bytes = copy && copy->message ? copy->bytes() : 0;
    const std::lock_guard lock(mutex_);
    // Nor one behind a promised copy that found none: the client would get them out of order.
    const bool behind = bytes > 0 && !lost_.promised.empty() && lost_.promised.contains(copy->to);
    if (behind || (bytes > 0 && bytes_ > 0 && bytes_ + bytes > max_bytes_)) {
      ++lost_.copies;
      if (copy->qos != mqtt::QoS::at_most_once) lost_.promised.insert(copy->to);
      return wake(true);
    }
    const bool waits = copy != nullptr;
    bytes_ += bytes;
    mail_.push_back(std::move(mail));
    return wake(!waits || mail_.size() >= many);
  }
  /// No more copies come for now. True: the owner has to be woken.
  bool send_off() {
    const std::lock_guard lock(mutex_);
    return wake(!mail_.empty());
  }
  /// Everything so far; `into` is emptied first and its capacity reused.
  Lost take(std::vector<Mail>& into) {
    into.clear();
    const std::lock_guard lock(mutex_);
    std::swap(into, mail_);
    bytes_ = 0;
    woken_ = false;
    return std::exchange(lost_, {});
  }

 private:
  bool wake(bool now) noexcept { return now && !std::exchange(woken_, true); }

  const std::size_t max_bytes_;
  std::mutex mutex_;
  std::vector<Mail> mail_;  // guarded by mutex_, as all below
  std::size_t bytes_ = 0;   // of live copies
  Lost lost_;
  bool woken_ = false;  // the owner is on its way
};

}  // namespace rowgate::net
