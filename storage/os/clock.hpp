#pragma once
// The seam to time. system_clock() is the real one; tests use ManualClock.
#include <chrono>

#include "schema/base/time.hpp"

namespace rowgate::os {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, for receive times.
  virtual Timestamp now() noexcept = 0;
  /// Monotonic, for ages and time-outs.
  virtual std::chrono::steady_clock::time_point ticks() noexcept = 0;
};

Clock& system_clock() noexcept;

}  // namespace rowgate::os
