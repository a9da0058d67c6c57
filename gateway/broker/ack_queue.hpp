#pragma once
// The acknowledgements an I/O thread owes its clients, in the order their records were appended.
// One thread appends positions that only grow, so a queue is a FIFO and the order of PUBACKs is
// the order of the PUBLISHes [MQTT-4.6.0-2]. Belongs to one I/O thread.
//
// Where acknowledgements wait for the database, PUBACK and PUBCOMP have a queue a lane: a client is
// in one lane, so its order is kept, and no lane waits for another. All others never wait for more
// than the journal.
//
// Bounded: at `limit` its sessions stall. Acknowledgements of records not yet durable never get
// there, since those fit the journal's open buffer and the batch being written; but duplicates
// append none, and a database may be away for long.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gateway/broker/committed_positions.hpp"
#include "gateway/mqtt/types.hpp"
#include "storage/position.hpp"

namespace rowgate::broker {

struct PendingAck {
  storage::Position end;  // owed once the journal is durable, or the lane committed, up to here
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  mqtt::PacketId packet_id = 0;
  mqtt::PacketType type = mqtt::PacketType::puback;  // puback, pubrec or pubcomp
  mqtt::ReasonCode code = mqtt::ReasonCode::success;
  storage::Lane lane{};  // the client's
};
static_assert(sizeof(PendingAck) == 24);

/// One FIFO of them.
class AckRing {
 public:
  AckRing() : ring_(1024) {}

  void push(const PendingAck& ack) {
    if (size_ == ring_.size()) grow();
    ring_[(head_ + size_) & (ring_.size() - 1)] = ack;
    ++size_;
  }
  /// Calls give(ack) for those at or below `to`, oldest first, and removes them.
  template <class Give>
  void release(storage::Position to, Give& give) {
    while (due(to)) {
      const PendingAck ack = ring_[head_];
      head_ = (head_ + 1) & (ring_.size() - 1);
      --size_;
      give(ack);
    }
  }
  bool due(storage::Position to) const noexcept { return size_ > 0 && ring_[head_].end <= to; }
  std::size_t size() const noexcept { return size_; }

 private:
  void grow() {
    std::vector<PendingAck> bigger(ring_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) bigger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_ = std::move(bigger);
    head_ = 0;
  }

  std::vector<PendingAck> ring_;  // size is a power of two
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

class AckQueue {
 public:
  static constexpr std::size_t limit = 1U << 20;

  /// With `committed`: PUBACK and PUBCOMP wait for it. It outlives the queue.
  explicit AckQueue(const CommittedPositions* committed = nullptr)
      : committed_(committed), by_lane_(committed ? committed->lanes() : 0U) {}

  void push(const PendingAck& ack) {
    const bool of_a_row =
        ack.type == mqtt::PacketType::puback || ack.type == mqtt::PacketType::pubcomp;
    const bool waits = committed_ != nullptr && of_a_row;
    (waits ? by_lane_[ack.lane.value] : durable_).push(ack);
  }

  /// Calls give(ack) for every acknowledgement that is owed now that the journal is durable up to
  /// `durable`, a client's in their order, and removes it.
  template <class Give>
  void release(storage::Position durable, Give&& give) {
    durable_.release(durable, give);
    for (std::size_t i = 0; i < by_lane_.size(); ++i) {
      by_lane_[i].release(committed_->at(lane(i)), give);
    }
  }

  bool due(storage::Position durable) const noexcept {
    if (durable_.due(durable)) return true;
    for (std::size_t i = 0; i < by_lane_.size(); ++i) {
      if (by_lane_[i].due(committed_->at(lane(i)))) return true;
    }
    return false;
  }
  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept {
    std::size_t sum = durable_.size();
    for (const AckRing& ring : by_lane_) sum += ring.size();
    return sum;
  }

 private:
  static storage::Lane lane(std::size_t i) noexcept { return {static_cast<std::uint16_t>(i)}; }

  const CommittedPositions* committed_;
  AckRing durable_;
  std::vector<AckRing> by_lane_;  // empty without committed_
};

}  // namespace rowgate::broker
