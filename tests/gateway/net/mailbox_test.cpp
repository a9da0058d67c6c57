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

TEST(Mailbox, CopiesGatherUntilTheyAreManyOrNoMoreCome) {
  Mailbox box;
  std::vector<Mail> mail;
  EXPECT_FALSE(box.send_off());
  EXPECT_FALSE(box.put(copy(mqtt::QoS::at_most_once)));
  EXPECT_TRUE(box.send_off());
  EXPECT_FALSE(box.send_off()) << "the owner is on its way";
  EXPECT_FALSE(box.put(Proceed{reader}));
  box.take(mail);
  EXPECT_EQ(mail.size(), 2U);

  EXPECT_FALSE(box.put(copy(mqtt::QoS::at_most_once)));
  EXPECT_TRUE(box.put(Proceed{reader})) << "waits for nobody";
  box.take(mail);
  EXPECT_EQ(mail.size(), 2U);

  std::size_t woken = 0;
  for (std::size_t i = 0; i < 2 * Mailbox::many; ++i) {
    woken += box.put(copy(mqtt::QoS::at_least_once)) ? 1U : 0U;
  }
  EXPECT_EQ(woken, 1U);
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
  std::vector<Mail> mail;
  box.put(copy(mqtt::QoS::at_least_once));
  EXPECT_EQ(box.take(mail).copies, 0U);
  EXPECT_EQ(mail.size(), 1U);
}

}  // namespace
}  // namespace rowgate::net
