#pragma once
// The batches committed last, kept in memory for the lanes, and the place where lanes wait for the
// next one.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>

#include "storage/journal/batch.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

class Window {
 public:
  /// Keeps the newest batches of together at most `bytes`, and always the very newest.
  Window(std::size_t bytes, Position durable) : bytes_(bytes), durable_(durable.value) {}

  /// The commit thread: `batch` is on disk.
  void add(std::shared_ptr<const Batch> batch);
  /// Nothing more will come.
  void close();

  Position durable() const noexcept { return {durable_.load(std::memory_order_acquire)}; }
  /// Waits until durable() > from: true. False when asked to stop, closed, or out of time.
  bool wait_beyond(Position from, std::stop_token stop, std::chrono::milliseconds wait);
  /// The batch that holds `from`, if it is kept.
  std::shared_ptr<const Batch> find(Position from) const;

 private:
  const std::size_t bytes_;
  std::atomic<std::uint64_t> durable_;  // written under mutex_

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any more_;
  std::deque<std::shared_ptr<const Batch>> batches_;  // each begins where the one before it ends
  std::size_t held_ = 0;
  bool closed_ = false;
};

}  // namespace rowgate::storage
