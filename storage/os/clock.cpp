#include "storage/os/clock.hpp"

namespace rowgate::os {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() noexcept override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
  }
  std::chrono::steady_clock::time_point ticks() noexcept override {
    return std::chrono::steady_clock::now();
  }
};

}  // namespace

Clock& system_clock() noexcept {
  static SystemClock clock;
  return clock;
}

}  // namespace rowgate::os
