#include "storage/journal/window.hpp"

#include <algorithm>

namespace rowgate::storage {

void Window::add(std::shared_ptr<const Batch> batch) {
  {
    const std::lock_guard lock(mutex_);
    durable_.store(batch->end().value, std::memory_order_release);
    held_ += batch->bytes().size();
    batches_.push_back(std::move(batch));
    while (held_ > bytes_ && batches_.size() > 1) {
      held_ -= batches_.front()->bytes().size();
      batches_.pop_front();
    }
  }
  more_.notify_all();
}

void Window::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  more_.notify_all();
}

bool Window::wait_beyond(Position from, std::stop_token stop, std::chrono::milliseconds wait) {
  if (durable() > from) return !stop.stop_requested();
  if (wait.count() <= 0) return false;
  // "For ever" must not overflow the clock.
  wait = std::min<std::chrono::milliseconds>(wait, std::chrono::hours(24));
  std::unique_lock lock(mutex_);
  more_.wait_for(lock, stop, wait, [&] { return durable() > from || closed_; });
  return durable() > from && !stop.stop_requested();
}

std::shared_ptr<const Batch> Window::find(Position from) const {
  const std::lock_guard lock(mutex_);
  if (batches_.empty() || from < batches_.front()->first()) return nullptr;
  const auto after =
      std::upper_bound(batches_.begin(), batches_.end(), from,
                       [](Position at, const auto& batch) { return at < batch->first(); });
  const auto& batch = *std::prev(after);
  return from < batch->end() ? batch : nullptr;
}

}  // namespace rowgate::storage
