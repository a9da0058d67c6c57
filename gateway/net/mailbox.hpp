#pragma once
// What other threads ask of an I/O thread. put() from any thread; the owner takes all at once.
#include <mutex>
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
using Mail = std::variant<TakeOver, Proceed, broker::Delivery>;

class Mailbox {
 public:
  /// True if it was empty: the owner has to be woken.
  bool put(Mail&& mail) {
    const std::lock_guard lock(mutex_);
    mail_.push_back(std::move(mail));
    return mail_.size() == 1;
  }
  /// Everything so far; `into` is emptied first and its capacity reused.
  void take(std::vector<Mail>& into) {
    into.clear();
    const std::lock_guard lock(mutex_);
    std::swap(into, mail_);
  }

 private:
  std::mutex mutex_;
  std::vector<Mail> mail_;  // guarded by mutex_
};

}  // namespace rowgate::net
