#include "gateway/broker/rebirths.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sparkplug_b.pb.h>

#include "gateway/broker/dispatch_inbox.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::broker {
namespace {

using testing::ElementsAre;
using Payload = org::eclipse::tahu::protobuf::Payload;

class rebirths : public testing::Test {
 protected:
  void SetUp() override {
    asked.publish_by([this](std::string topic, std::string payload) {
      topics.push_back(std::move(topic));
      last = std::move(payload);
    });
  }
  test::ManualClock clock{{1486144502122000}};
  std::vector<std::string> topics;
  std::string last;
  Rebirths asked{clock};
};

TEST_F(rebirths, are_requests_to_the_edge_node) {
  asked.ask("Group/Edge");
  EXPECT_THAT(topics, ElementsAre("spBv1.0/Group/NCMD/Edge"));
  Payload payload;
  ASSERT_TRUE(payload.ParseFromString(last));
  ASSERT_EQ(payload.metrics_size(), 1);
  EXPECT_EQ(payload.metrics(0).name(), "Node Control/Rebirth");
  EXPECT_TRUE(payload.metrics(0).boolean_value());
  EXPECT_EQ(payload.timestamp(), 1486144502122U);
}

TEST_F(rebirths, are_asked_of_a_node_once_in_ten_seconds) {
  asked.ask("G/a");
  asked.ask("G/b");
  clock.advance(std::chrono::milliseconds(9999));
  asked.ask("G/a");
  EXPECT_EQ(topics.size(), 2U);
  clock.advance(std::chrono::milliseconds(1));
  asked.ask("G/a");
  asked.ask("G/a");
  EXPECT_THAT(topics, ElementsAre("spBv1.0/G/NCMD/a", "spBv1.0/G/NCMD/b", "spBv1.0/G/NCMD/a"));
  EXPECT_EQ(asked.asked(), 3U);
}

TEST_F(rebirths, go_to_live_subscribers_only) {
  DispatchInbox inbox;
  publish_live(inbox)("t", "p");
  std::vector<DispatchMail> mail;
  inbox.take(mail);
  ASSERT_EQ(mail.size(), 1U);
  const auto& message = *std::get<std::shared_ptr<const LiveMessage>>(mail[0]);
  EXPECT_EQ(message.topic, "t");
  EXPECT_EQ(message.payload, "p");
  EXPECT_EQ(message.qos, mqtt::QoS::at_most_once);
  EXPECT_FALSE(message.retain);
}

}  // namespace
}  // namespace rowgate::broker
