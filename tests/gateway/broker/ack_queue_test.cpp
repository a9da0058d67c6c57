#include "gateway/broker/ack_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowgate::broker {
namespace {

using mqtt::PacketType;
using storage::Lane;
using storage::Position;
using testing::ElementsAre;
using testing::IsEmpty;

PendingAck ack(std::uint64_t end, mqtt::PacketId id, PacketType type = PacketType::puback,
               Lane lane = {}) {
  return {Position{end}, 1, 1, id, type, mqtt::ReasonCode::success, lane};
}

std::vector<int> released(AckQueue& queue, std::uint64_t durable) {
  std::vector<int> ids;
  queue.release(Position{durable}, [&](const PendingAck& a) { ids.push_back(a.packet_id); });
  return ids;
}

TEST(ack_queue, gives_what_is_durable_in_order) {
  AckQueue queue;
  queue.push(ack(10, 1));
  queue.push(ack(20, 2, PacketType::pubrec));
  queue.push(ack(30, 3, PacketType::pubcomp));
  EXPECT_FALSE(queue.due(Position{9}));
  EXPECT_TRUE(queue.due(Position{10}));
  EXPECT_THAT(released(queue, 25), ElementsAre(1, 2));
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_THAT(released(queue, 30), ElementsAre(3));
  EXPECT_TRUE(queue.empty());
}

TEST(ack_queue, grows_and_keeps_the_order) {
  AckQueue queue;
  std::vector<int> expected;
  for (int i = 0; i < 5000; ++i) {
    queue.push(ack(static_cast<std::uint64_t>(i), static_cast<mqtt::PacketId>(i + 1)));
    expected.push_back(i + 1);
  }
  EXPECT_EQ(released(queue, 5000), expected);
}

TEST(ack_queue, with_the_database_puback_and_pubcomp_wait_for_the_lane_and_pubrec_does_not) {
  CommittedPositions committed(2);
  AckQueue queue(&committed);
  queue.push(ack(10, 1));
  queue.push(ack(20, 2, PacketType::pubrec));
  queue.push(ack(30, 3, PacketType::pubcomp));
  EXPECT_THAT(released(queue, 1000), ElementsAre(2));
  EXPECT_FALSE(queue.due(Position{1000}));
  committed.moved(Lane{0}, Position{10});
  EXPECT_TRUE(queue.due(Position{1000}));
  EXPECT_THAT(released(queue, 1000), ElementsAre(1));
  committed.moved(Lane{0}, Position{30});
  EXPECT_THAT(released(queue, 1000), ElementsAre(3));
  EXPECT_TRUE(queue.empty());
}

TEST(ack_queue, no_lane_waits_for_another) {
  CommittedPositions committed(2);
  AckQueue queue(&committed);
  queue.push(ack(10, 1, PacketType::puback, Lane{0}));
  queue.push(ack(20, 2, PacketType::puback, Lane{1}));
  queue.push(ack(30, 3, PacketType::puback, Lane{1}));
  committed.moved(Lane{1}, Position{25});
  EXPECT_THAT(released(queue, 1000), ElementsAre(2));
  EXPECT_EQ(queue.size(), 2U);
}

TEST(ack_queue, a_refusal_does_not_overtake_the_acknowledgements_before_it) {
  CommittedPositions committed(1);
  AckQueue queue(&committed);
  queue.push(ack(10, 1));
  queue.push(ack(0, 2));
  EXPECT_THAT(released(queue, 1000), IsEmpty());
  committed.moved(Lane{0}, Position{10});
  EXPECT_THAT(released(queue, 1000), ElementsAre(1, 2));
}

}  // namespace
}  // namespace rowgate::broker
