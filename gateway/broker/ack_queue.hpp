#pragma once
// The acknowledgements an I/O thread owes its clients, in the order their records were appended.
// One thread appends positions that only grow, so the queue is a FIFO and the order of PUBACKs is
// the order of the PUBLISHes [MQTT-4.6.0-2]. Belongs to one I/O thread.
//
// Bounded: at `limit` its sessions stall. Acknowledgements of records not yet durable never get
// there, since those fit the journal's open buffer and the batch being written; but duplicates
// append none.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gateway/mqtt/types.hpp"
#include "storage/position.hpp"

namespace rowgate::broker {

struct PendingAck {
  storage::Position end;  // owed once the journal is durable up to here
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  mqtt::PacketId packet_id = 0;
  mqtt::PacketType type = mqtt::PacketType::puback;  // puback, pubrec or pubcomp
  mqtt::ReasonCode code = mqtt::ReasonCode::success;
};
static_assert(sizeof(PendingAck) == 24);

class AckQueue {
 public:
  static constexpr std::size_t limit = 1U << 20;

  AckQueue() : ring_(1024) {}

  void push(const PendingAck& ack) {
    if (size_ == ring_.size()) grow();
    ring_[(head_ + size_) & (ring_.size() - 1)] = ack;
    ++size_;
  }

  /// Calls give(ack) for every acknowledgement at or below `durable`, oldest first, and removes it.
  template <class Give>
  void release(storage::Position durable, Give&& give) {
    while (due(durable)) {
      const PendingAck ack = ring_[head_];
      head_ = (head_ + 1) & (ring_.size() - 1);
      --size_;
      give(ack);
    }
  }

  bool due(storage::Position durable) const noexcept {
    return size_ > 0 && ring_[head_].end <= durable;
  }
  bool empty() const noexcept { return size_ == 0; }
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

}  // namespace rowgate::broker
