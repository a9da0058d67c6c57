#pragma once
// What the listener received, by lane: the arrival side of the ledger
//   received = stored + dead-lettered + unmapped + dropped + still in the journal.
// And what passed over the network, for the $SYS topics.
// Each I/O thread writes cells of its own (one relaxed store, no sharing); reading sums them.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/position.hpp"

namespace rowgate::broker {

/// What is counted of the network: packets of any type, PUBLISHes, the payloads' bytes, all bytes.
enum class Traffic : std::uint8_t {
  messages_received,
  messages_sent,
  publishes_received,
  publishes_sent,
  publish_bytes_received,
  publish_bytes_sent,
  bytes_received,
  bytes_sent
};
inline constexpr std::size_t traffic_kinds = 8;

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
  void passed(std::size_t thread, Traffic what, std::uint64_t n = 1) noexcept {
    bump(traffic_[thread].counts[static_cast<std::size_t>(what)], n);
  }

  Counts counts(storage::Lane lane) const noexcept;
  /// By Traffic.
  std::array<std::uint64_t, traffic_kinds> traffic() const noexcept;
  std::uint16_t lanes() const noexcept { return lanes_; }

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> dropped{0};
  };
  struct alignas(64) TrafficCell {
    std::array<std::atomic<std::uint64_t>, traffic_kinds> counts{};
  };
  static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t n = 1) noexcept {
    // The only writer is this thread: no read-modify-write needed.
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  Cell& cell(std::size_t thread, storage::Lane lane) const noexcept {
    return cells_[thread * lanes_ + lane.value];
  }

  std::size_t threads_;
  std::uint16_t lanes_;
  std::unique_ptr<Cell[]> cells_;
  std::unique_ptr<TrafficCell[]> traffic_;
};

}  // namespace rowgate::broker
