#pragma once
// A token bucket: what one client may publish a second, with a second's worth saved up at most. A
// publish that finds any token goes and may leave a debt, so none is ever too large. Belongs to one
// connection.
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace rowgate::broker {

class RateLimit {
 public:
  using Ticks = std::chrono::steady_clock::time_point;

  /// `a_second` 0: no limit.
  RateLimit(std::uint64_t a_second, Ticks now) noexcept
      : a_second_(static_cast<double>(a_second)), tokens_(a_second_), at_(now) {}

  bool allows(Ticks now) noexcept {
    if (a_second_ <= 0) return true;
    const std::chrono::duration<double> passed = now - at_;
    tokens_ = std::min(a_second_, tokens_ + std::max(passed.count(), 0.0) * a_second_);
    at_ = now;
    return tokens_ > 0;
  }
  void take(std::uint64_t tokens) noexcept { tokens_ -= static_cast<double>(tokens); }

 private:
  double a_second_;
  double tokens_;
  Ticks at_;
};

}  // namespace rowgate::broker
