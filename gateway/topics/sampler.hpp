#pragma once
// Reads along in the journal, on a thread of its own, and shows each publish to RecentMessages. The
// publish path does nothing for it. It reads what was made durable, from the journal's memory, for
// at most 2 ms of every 100 ms: at a high rate it passes over the rest and lets what it reads stand
// for it (weight), so that it never costs more than a fiftieth of one core.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>

#include "gateway/topics/recent_messages.hpp"
#include "storage/journal/journal.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::topics {

class Sampler {
 public:
  /// Begins with what the journal still has from before, if that is not very much. All outlive it.
  Sampler(storage::Journal& journal, RecentMessages& recent, os::Clock& clock);
  /// stop().
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  void start();
  void stop();
  /// One round; for the thread, and for tests without one.
  void round(std::chrono::microseconds budget);

  /// The part of the journal's bytes that was read, since start(): 1 is all. Any thread.
  double coverage() const noexcept;

 private:
  /// False: there is nothing more to read now.
  bool read_batch(std::chrono::steady_clock::time_point until);

  storage::Journal& journal_;
  RecentMessages& recent_;
  os::Clock& clock_;
  storage::Position at_;
  double weight_ = 1;  // of each message, by what the round before passed over
  std::atomic<std::uint64_t> read_bytes_{0};
  std::atomic<std::uint64_t> passed_bytes_{0};
  std::jthread thread_;
};

}  // namespace rowgate::topics
