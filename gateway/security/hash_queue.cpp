#include "gateway/security/hash_queue.hpp"

#include <algorithm>
#include <utility>

namespace rowgate::security {

HashQueue::HashQueue(std::size_t places)
    : places_(places), share_(std::max<std::size_t>(1, places / 4)) {}

bool HashQueue::push(Attempt& attempt) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || size_ >= places_) return false;
    auto& line = waiting_[attempt.address];
    if (line.size() >= share_) return false;
    if (line.empty()) turns_.push_back(attempt.address);
    line.push_back(std::move(attempt));
    ++size_;
  }
  filled_.notify_one();
  return true;
}

std::optional<Attempt> HashQueue::pop() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return closed_ || size_ > 0; });
  if (closed_) return std::nullopt;
  const auto turn = turns_.begin();
  const auto line = waiting_.find(*turn);
  Attempt attempt = std::move(line->second.front());
  line->second.pop_front();
  --size_;
  if (line->second.empty()) {
    waiting_.erase(line);
    turns_.erase(turn);
  } else {
    turns_.splice(turns_.end(), turns_, turn);
  }
  return attempt;
}

std::vector<Attempt> HashQueue::close() {
  std::vector<Attempt> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [address, line] : waiting_) {
      std::move(line.begin(), line.end(), std::back_inserter(left));
    }
    waiting_.clear();
    turns_.clear();
    size_ = 0;
  }
  filled_.notify_all();
  return left;
}

}  // namespace rowgate::security
