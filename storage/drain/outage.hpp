#pragma once
// The times when a lane's sink is away: since when, how often it was tried, when the next try is
// due. One thread.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "storage/drain/backoff.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::storage {

class Outage {
 public:
  using Ticks = std::chrono::steady_clock::time_point;

  Outage(os::Clock& clock, Backoff backoff) noexcept : clock_(clock), backoff_(backoff) {}

  /// A try has failed. True: the outage begins with it.
  bool failed() noexcept;
  /// What is left of the pause before the next try, which ends at `deadline` at the latest; zero:
  /// try now. There is none before the first.
  std::chrono::milliseconds pause(std::optional<Ticks> deadline) noexcept;
  /// The pause at hand, if there is one, is over.
  void hurry() noexcept;
  /// The sink did what was asked. How long it was away, in words, if it was.
  std::optional<std::string> over();
  std::uint64_t tries() const noexcept { return tries_; }

 private:
  os::Clock& clock_;
  Backoff backoff_;
  std::optional<Ticks> since_;
  std::optional<Ticks> retry_at_;
  std::uint64_t tries_ = 0;  // since then
};

}  // namespace rowgate::storage
