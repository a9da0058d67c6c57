#pragma once
// How far each lane's rows are committed, for acknowledgements that wait for the database
// (mqtt.ack = "database"). Each lane writes its own; any thread reads.
#include <atomic>
#include <cstdint>
#include <memory>

#include "storage/position.hpp"

namespace rowgate::broker {

class CommittedPositions {
 public:
  explicit CommittedPositions(std::uint16_t lanes)
      : lanes_(lanes), cells_(std::make_unique<Cell[]>(lanes)) {}

  std::uint16_t lanes() const noexcept { return lanes_; }
  /// Every publish of the lane below it is in the database, as a row or a dead letter. After it has
  /// moved, the I/O threads must be woken as they are when the journal has moved.
  void moved(storage::Lane lane, storage::Position to) noexcept {
    cells_[lane.value].position.store(to.value);  // ordered before the wake-up's flag
  }
  storage::Position at(storage::Lane lane) const noexcept {
    return {cells_[lane.value].position.load()};
  }

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> position{0};
  };

  std::uint16_t lanes_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace rowgate::broker
