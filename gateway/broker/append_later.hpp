#pragma once
// What the gateway itself has for the journal and must not lose for want of room: tried at once,
// kept in order where the journal is busy or full, and tried again. Bounded; what finds no room
// here either is given up and counted. Any thread.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>

#include "schema/base/result.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::broker {

/// `Item` has `std::size_t bytes() const`: what it takes while it waits.
template <class Item>
class AppendLater {
 public:
  static constexpr std::size_t default_limit = 64U << 20;

  /// Bytes that may wait.
  explicit AppendLater(std::size_t limit = default_limit) : limit_(limit) {}

  /// `append(item)` answers as the journal does. It is called under a lock.
  template <class Append>
  void put(Item&& item, Append&& append) {
    const std::lock_guard lock(mutex_);
    retry_locked(append);
    if (waiting_.empty() && settled(append(item))) return;
    const std::size_t bytes = item.bytes();
    if (bytes_ + bytes > limit_) {
      given_up_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    bytes_ += bytes;
    waiting_.push_back(std::move(item));
  }

  /// From time to time: the journal may have room by now.
  template <class Append>
  void retry(Append&& append) {
    const std::lock_guard lock(mutex_);
    retry_locked(append);
  }

  std::uint64_t appended() const noexcept { return appended_.load(std::memory_order_relaxed); }
  std::uint64_t given_up() const noexcept { return given_up_.load(std::memory_order_relaxed); }

 private:
  template <class Append>
  void retry_locked(Append& append) {
    while (!waiting_.empty() && settled(append(waiting_.front()))) {
      bytes_ -= waiting_.front().bytes();
      waiting_.pop_front();
    }
  }
  /// It is in the journal, or will never be.
  bool settled(const Result<storage::Appended, storage::AppendError>& answer) {
    const bool later = !answer && (answer.error() == storage::AppendError::busy ||
                                   answer.error() == storage::AppendError::full);
    if (later) return false;
    (answer ? appended_ : given_up_).fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  const std::size_t limit_;
  std::mutex mutex_;
  std::deque<Item> waiting_;  // guarded by mutex_
  std::size_t bytes_ = 0;     // guarded by mutex_
  std::atomic<std::uint64_t> appended_{0};
  std::atomic<std::uint64_t> given_up_{0};
};

}  // namespace rowgate::broker
