#pragma once
// A clock that moves when the test says so.
#include <atomic>

#include "storage/os/clock.hpp"

namespace rowgate::test {

class ManualClock final : public os::Clock {
 public:
  /// 2026-01-01T00:00:00Z unless told.
  explicit ManualClock(Timestamp start = {1767225600000000}) noexcept : now_(start.micros) {}

  Timestamp now() noexcept override { return {now_.load()}; }
  std::chrono::steady_clock::time_point ticks() noexcept override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(ticks_.load()));
  }
  /// Both clocks move on.
  void advance(std::chrono::microseconds by) noexcept {
    now_ += by.count();
    ticks_ += by.count();
  }
  /// The wall clock is set, as an administrator or NTP may; the monotonic one does not notice.
  void set_wall(Timestamp to) noexcept { now_ = to.micros; }

 private:
  std::atomic<std::int64_t> now_;
  std::atomic<std::int64_t> ticks_{1};
};

}  // namespace rowgate::test
