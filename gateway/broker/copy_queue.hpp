#pragma once
// The copies that wait for one session or one shared subscription, in the order in which their
// messages became durable.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/broker/delivery.hpp"
#include "gateway/broker/session_event.hpp"

namespace rowgate::broker {

struct Copy {
  CopyId id = 0;
  std::shared_ptr<const LiveMessage> message;
  mqtt::QoS qos{};
  bool retain = false;
  bool durable = false;  // outlives the gateway: the store has it, the journal its decisions
  std::vector<std::uint32_t> identifiers;

  /// What it takes, as if nobody else shared the message. The same at every replay.
  std::size_t bytes() const noexcept {
    return 128 + message->topic.size() + message->payload.size() + message->properties.size();
  }
};

class CopyQueue {
 public:
  /// Of copies undecided or on their way to a decision.
  std::size_t size() const noexcept { return waiting_.size() + deciding_.size(); }
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// Into its place by id; copies of one id keep their order.
  void push(Copy&& copy);
  /// Nobody has decided about any copy left.
  bool idle() const noexcept { return waiting_.empty(); }
  const Copy& front() const noexcept { return waiting_.front(); }
  Copy take_front();
  /// The decision about the front copy is on its way through the journal.
  void decide_front();
  /// The decision about this copy is durable; or was, when it is read again after a crash.
  std::optional<Copy> take(CopyId id);

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Copy& copy : deciding_) visit(copy);
    for (const Copy& copy : waiting_) visit(copy);
  }
  void clear() noexcept;

 private:
  std::deque<Copy> waiting_;
  std::deque<Copy> deciding_;
  std::uint64_t bytes_ = 0;
};

}  // namespace rowgate::broker
