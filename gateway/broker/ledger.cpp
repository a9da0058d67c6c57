#include "gateway/broker/ledger.hpp"

namespace rowgate::broker {

Ledger::Ledger(std::size_t threads, std::uint16_t lanes)
    : threads_(threads), lanes_(lanes), cells_(std::make_unique<Cell[]>(threads * lanes)) {}

Ledger::Counts Ledger::counts(storage::Lane lane) const noexcept {
  Counts sum;
  for (std::size_t t = 0; t < threads_; ++t) {
    sum.received += cell(t, lane).received.load(std::memory_order_relaxed);
    sum.dropped += cell(t, lane).dropped.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace rowgate::broker
