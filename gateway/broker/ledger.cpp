#include "gateway/broker/ledger.hpp"

namespace rowgate::broker {

Ledger::Ledger(std::size_t threads, std::uint16_t lanes)
    : threads_(threads),
      lanes_(lanes),
      cells_(std::make_unique<Cell[]>(threads * lanes)),
      traffic_(std::make_unique<TrafficCell[]>(threads)) {}

Ledger::Counts Ledger::counts(storage::Lane lane) const noexcept {
  Counts sum;
  for (std::size_t t = 0; t < threads_; ++t) {
    sum.received += cell(t, lane).received.load(std::memory_order_relaxed);
    sum.dropped += cell(t, lane).dropped.load(std::memory_order_relaxed);
  }
  return sum;
}

std::array<std::uint64_t, traffic_kinds> Ledger::traffic() const noexcept {
  std::array<std::uint64_t, traffic_kinds> sum{};
  for (std::size_t t = 0; t < threads_; ++t) {
    for (std::size_t i = 0; i < traffic_kinds; ++i) {
      sum[i] += traffic_[t].counts[i].load(std::memory_order_relaxed);
    }
  }
  return sum;
}

}  // namespace rowgate::broker
