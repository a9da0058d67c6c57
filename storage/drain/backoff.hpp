#pragma once
// How long to wait before the next try: doubling from `first` to `max`, each wait drawn from the
// upper half of its range, so that the lanes of many gateways do not come back in step. One thread.
#include <chrono>
#include <cstdint>

namespace rowgate::storage {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max,
          std::uint64_t seed) noexcept;

  /// In [base/2, base], where base doubles with every call since reset(), up to max.
  std::chrono::milliseconds next() noexcept;
  void reset() noexcept { base_ = first_; }

 private:
  std::chrono::milliseconds first_, max_, base_;
  std::uint64_t random_;
};

}  // namespace rowgate::storage
