#include "gateway/broker/copy_queue.hpp"

#include <algorithm>
#include <utility>

namespace rowgate::broker {

void CopyQueue::push(Copy&& copy) {
  bytes_ += copy.bytes();
  if (waiting_.empty() || waiting_.back().id <= copy.id) {
    waiting_.push_back(std::move(copy));
    return;
  }
  const auto at = std::upper_bound(waiting_.begin(), waiting_.end(), copy.id,
                                   [](CopyId id, const Copy& c) { return id < c.id; });
  waiting_.insert(at, std::move(copy));
}

Copy CopyQueue::take_front() {
  Copy copy = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= copy.bytes();
  return copy;
}

void CopyQueue::decide_front() {
  deciding_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
}

std::optional<Copy> CopyQueue::take(CopyId id) {
  std::deque<Copy>* from = &deciding_;
  auto it =
      std::find_if(deciding_.begin(), deciding_.end(), [&](const Copy& c) { return c.id == id; });
  if (it == deciding_.end()) {
    from = &waiting_;
    it = std::lower_bound(waiting_.begin(), waiting_.end(), id,
                          [](const Copy& c, CopyId wanted) { return c.id < wanted; });
    if (it == waiting_.end() || it->id != id) return std::nullopt;
  }
  std::optional<Copy> copy = std::move(*it);
  from->erase(it);
  bytes_ -= copy->bytes();
  return copy;
}

void CopyQueue::clear() noexcept {
  waiting_.clear();
  deciding_.clear();
  bytes_ = 0;
}

}  // namespace rowgate::broker
