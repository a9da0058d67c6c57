#pragma once
// One thread of the generator: an epoll loop over its clients.
#include <atomic>
#include <cstdint>
#include <deque>
#include <latch>
#include <vector>

#include "bench/load/client.hpp"

namespace rowgate::load {

/// CPU and wall time of the publishing part of a run.
struct LoopTimes {
  std::uint64_t start_ns = 0;  // steady clock
  std::uint64_t end_ns = 0;
  double user_s = 0;
  double system_s = 0;
};

class Loop {
 public:
  /// The clients first, first + step, first + 2 * step, ...
  Loop(const Options& options, const PublishTemplates& templates, std::uint32_t first,
       std::uint32_t step);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Connects all, waits for the other loops, publishes, waits for the acknowledgements.
  void run(std::latch& connected, const std::atomic<bool>& stop);

  const Counters& counters() const noexcept { return lap_.counters; }
  const LoopTimes& times() const noexcept { return times_; }

 private:
  void connect_all(const std::atomic<bool>& stop);
  void publish(const std::atomic<bool>& stop);
  void turn(int timeout_ms);
  void pump(std::uint32_t tag);
  void reopen_lost();
  int timeout_ms() const noexcept;

  Lap lap_;
  std::deque<Client> clients_;        // a deque, so that none ever moves
  std::vector<std::uint32_t> ready_;  // clients that have more to send at once
  std::vector<std::uint32_t> next_ready_;
  std::uint64_t next_check_ = 0;
  std::size_t over_ = 0;
  LoopTimes times_;
};

}  // namespace rowgate::load
