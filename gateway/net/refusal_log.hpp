#pragma once
// Which refused connections are named in the log: the first in a second. The others are counted, so
// that somebody who guesses passwords fills neither the log nor the disk. One I/O thread's.
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace rowgate::net {

class RefusalLog {
 public:
  using Ticks = std::chrono::steady_clock::time_point;

  /// A connection was refused. Says how many were since the last that was named, if this one is to
  /// be named.
  std::optional<std::uint64_t> refused(Ticks now) noexcept {
    if (named_ && now - *named_ < std::chrono::seconds(1)) {
      ++unnamed_;
      return std::nullopt;
    }
    named_ = now;
    return std::exchange(unnamed_, 0);
  }

 private:
  std::optional<Ticks> named_;
  std::uint64_t unnamed_ = 0;
};

}  // namespace rowgate::net
