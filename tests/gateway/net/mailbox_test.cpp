#include "gateway/net/mailbox.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace rowgate::net {
namespace {

constexpr broker::ConnectionRef reader{0, 1, 1};

broker::Delivery copy(mqtt::QoS qos, std::size_t bytes = 1000) {
  auto message = std::make_shared<broker::LiveMessage>();
  message->payload = std::string(bytes, 'x');
  broker::Delivery delivery;
  delivery.message = std::move(message);
  delivery.to = reader;
  delivery.packet_id = 1;
  delivery.qos = qos;
  return delivery;
}

TEST(Mailbox, WakesItsOwnerForTheFirstMailOnly) {
  Mailbox box;
  std::vector<Mail> mail;
  EXPECT_TRUE(box.put(Proceed{reader}));
  EXPECT_FALSE(box.put(Proceed{reader}));
  box.take(mail);
  EXPECT_EQ(mail.size(), 2U);
  EXPECT_TRUE(box.put(Proceed{reader}));
}

TEST(Mailbox, TakesNoMoreLiveCopiesThanItsBytesAndSaysWhoMissedAPromisedOne) {
  Mailbox box(2500);
  std::vector<Mail> mail;
  for (int i = 0; i < 5; ++i) box.put(copy(mqtt::QoS::at_most_once));
  Mailbox::Lost lost = box.take(mail);
  EXPECT_EQ(mail.size() + lost.copies, 5U);
  EXPECT_GE(lost.copies, 3U);
  EXPECT_TRUE(lost.promised.empty());

  for (int i = 0; i < 5; ++i) box.put(copy(mqtt::QoS::at_least_once));
  box.put(TakeOver{reader, reader});  // never refused
  lost = box.take(mail);
  EXPECT_TRUE(std::holds_alternative<TakeOver>(mail.back()));
  EXPECT_EQ(lost.promised, std::set<broker::ConnectionRef>{reader});
}

// [MQTT-4.6.0-6]
TEST(Mailbox, TakesNoCopyBehindAPromisedOneThatFoundNoRoom) {
  Mailbox box(2500);
  std::vector<Mail> mail;
  box.put(copy(mqtt::QoS::exactly_once));
  box.put(copy(mqtt::QoS::exactly_once, 2000));
  box.put(copy(mqtt::QoS::exactly_once, 10));  // it would fit
  broker::Delivery other = copy(mqtt::QoS::exactly_once, 10);
  other.to.slot = 2;
  box.put(std::move(other));
  const Mailbox::Lost lost = box.take(mail);
  EXPECT_EQ(mail.size(), 2U);
  EXPECT_EQ(lost.copies, 2U);
  EXPECT_EQ(lost.promised, std::set<broker::ConnectionRef>{reader});
  box.put(copy(mqtt::QoS::exactly_once, 10));
  box.take(mail);
  EXPECT_EQ(mail.size(), 1U);
}

TEST(Mailbox, TakesALiveCopyLargerThanItsBytesWhenThereIsNoOther) {
  Mailbox box(100);
  EXPECT_TRUE(box.put(copy(mqtt::QoS::at_least_once)));
}

}  // namespace
}  // namespace rowgate::net
