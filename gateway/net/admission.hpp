#pragma once
// Who may come in: connections of one address, and how many are accepted in a second, counted over
// all I/O threads. Any thread.
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace rowgate::net {

class Admission {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// 0: no limit.
  Admission(std::uint32_t per_address, std::uint32_t per_second);

  /// False: the address has its share of connections. True: call leave() once it has gone.
  bool enter(const std::string& address);
  void leave(const std::string& address);

  /// One more has been accepted: how long to wait before accepting the next. A tenth of a second's
  /// share may come at once.
  std::chrono::nanoseconds pause_after_accept(Time now);

  /// accept() has failed: whether to say so. Once an outage: one ends after ten seconds without.
  bool first_failure(Time now);

 private:
  const std::uint32_t per_address_;
  const std::chrono::nanoseconds interval_;  // between two connects; 0: no limit
  const std::chrono::nanoseconds burst_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::unordered_map<std::string, std::uint32_t> connections_;
  Time next_{};  // when the bucket would be full again, less the burst
  Time failed_{};
};

}  // namespace rowgate::net
