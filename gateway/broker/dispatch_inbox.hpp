#pragma once
// What I/O threads tell the dispatch thread beside the journal. put() from any thread, in the order
// in which it happened to one client; the dispatch thread takes all at once, after it has read a
// batch and before it applies it: so an event put before a publish was appended takes effect before
// that publish is dispatched.
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/broker/dispatch.hpp"

namespace rowgate::broker {

/// An event of a session that ends with its connection.
struct EphemeralEvent {
  std::string bytes;
  storage::Position since;  // a subscription takes publishes from here on: journal.appended()
};
using DispatchMail =
    std::variant<EphemeralEvent, Attach, Detach, std::shared_ptr<const LiveMessage>>;

class DispatchInbox {
 public:
  /// `wake` is called, on the putting thread, when the inbox was empty.
  void on_mail(std::function<void()> wake) { wake_ = std::move(wake); }

  void put(DispatchMail&& mail) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = mail_.empty();
      mail_.push_back(std::move(mail));
    }
    if (first && wake_) wake_();
  }
  /// Everything so far; `into` is emptied first and its capacity reused.
  void take(std::vector<DispatchMail>& into) {
    into.clear();
    const std::lock_guard lock(mutex_);
    std::swap(into, mail_);
  }

 private:
  std::function<void()> wake_;  // set before the threads start
  std::mutex mutex_;
  std::vector<DispatchMail> mail_;  // guarded by mutex_
};

}  // namespace rowgate::broker
