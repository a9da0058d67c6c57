#pragma once
// When a lane that has nothing to do looks at its sink: five to ten seconds after it last heard of
// it, drawn anew each time, so that the lanes of many gateways do not look in step. One thread.
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "storage/drain/backoff.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::storage {

class IdleLooks {
 public:
  using Ticks = std::chrono::steady_clock::time_point;

  IdleLooks(os::Clock& clock, std::uint64_t seed) noexcept
      : clock_(clock), intervals_(longest, longest, seed), interval_(intervals_.next()) {}

  /// `heard_at`: when the sink last answered otherwise. True: look now; the next one is later.
  bool due(Ticks heard_at) noexcept {
    const Ticks now = clock_.ticks();
    if (now - std::max(heard_at, looked_at_) < interval_) return false;
    looked_at_ = now;
    interval_ = intervals_.next();
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds longest{10'000};

  os::Clock& clock_;
  Backoff intervals_;
  std::chrono::milliseconds interval_;
  Ticks looked_at_{};
};

}  // namespace rowgate::storage
