#include "storage/drain/backoff.hpp"

#include <algorithm>

namespace rowgate::storage {

using std::chrono::milliseconds;

Backoff::Backoff(milliseconds first, milliseconds max, std::uint64_t seed) noexcept
    : first_(std::max(first, milliseconds(1))),
      max_(std::max(max, first_)),
      base_(first_),
      random_(seed | 1) {}

milliseconds Backoff::next() noexcept {
  random_ ^= random_ << 13;  // xorshift64: jitter needs no better
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  const auto base = static_cast<std::uint64_t>(base_.count());
  const std::uint64_t wait = base - random_ % (base / 2 + 1);
  base_ = std::min(base_ * 2, max_);
  return milliseconds(static_cast<milliseconds::rep>(wait));
}

}  // namespace rowgate::storage
