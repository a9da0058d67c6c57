#pragma once
// What the listener received, by lane: the arrival side of the ledger
//   received = stored + dead-lettered + unmapped + dropped + still in the journal.
// Each I/O thread writes cells of its own (one relaxed store, no sharing); reading sums them.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/position.hpp"

namespace rowgate::broker {

class Ledger {
 public:
  struct Counts {
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;
  };

  Ledger(std::size_t threads, std::uint16_t lanes);

  /// A publish was taken into the journal, or is counted just before `dropped` says it was not.
  void received(std::size_t thread, storage::Lane lane) noexcept {
    bump(cell(thread, lane).received);
  }
  /// A QoS 0 publish was received and dropped because the journal is full.
  void dropped(std::size_t thread, storage::Lane lane) noexcept {
    bump(cell(thread, lane).dropped);
  }

  Counts counts(storage::Lane lane) const noexcept;
  std::uint16_t lanes() const noexcept { return lanes_; }

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> dropped{0};
  };
  static void bump(std::atomic<std::uint64_t>& counter) noexcept {
    // The only writer is this thread: no read-modify-write needed.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  Cell& cell(std::size_t thread, storage::Lane lane) const noexcept {
    return cells_[thread * lanes_ + lane.value];
  }

  std::size_t threads_;
  std::uint16_t lanes_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace rowgate::broker
