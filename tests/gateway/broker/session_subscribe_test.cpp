// SUBSCRIBE and UNSUBSCRIBE, retained messages, and what subscribers get: over a real dispatcher.
#include "gateway/broker/session.hpp"
#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using Next = Session::Next;
using SessionSubscribeTest = SessionTest;
constexpr Version v311 = Version::v311, v5 = Version::v5;

std::string suback_of(char code, std::uint16_t id = 1, Version version = v311) {
  return suback(version, id, std::string(1, code));
}

TEST_F(SessionSubscribeTest, GrantsWhatIsAsked) {
  Client c = connected("reader");
  for (char qos = 0; qos <= 2; ++qos) {
    c.send(subscribe(v311, 1, "a/+", static_cast<std::uint8_t>(qos)));
    EXPECT_EQ(c.answers(), suback_of(qos));
  }
}

TEST_F(SessionSubscribeTest, RefusesFiltersOneByOne) {
  limits_.max_filters = 1;
  limits_.max_topic_levels = 3;
  restart();
  Client c = connected("reader", {.version = v5});
  const auto ask = [&](const std::string& filter) {
    c.send(subscribe(v5, 1, filter, 1));
    return c.answers();
  };
  EXPECT_EQ(ask("a/b/c/d"), suback_of('\x97', 1, v5));
  EXPECT_EQ(ask("a/b/c"), suback_of('\1', 1, v5));
  EXPECT_EQ(ask("b"), suback_of('\x97', 1, v5));
  EXPECT_EQ(ask("a/b/c"), suback_of('\1', 1, v5));  // again: not one more
}

TEST_F(SessionSubscribeTest, EndsTheConnectionForAFilterThatIsNone) {
  for (const std::string filter : {"a/#/b", "", "$share//a", "$share/g"}) {
    Client c = connected("reads " + filter, {.version = v5});
    EXPECT_EQ(c.send(subscribe(v5, 1, filter, 1)), Next::close) << filter;
    EXPECT_EQ(c.answers(), "\xE0\x01\x8F"s) << filter;
  }
  Client old = connected("reader");
  EXPECT_EQ(old.send(subscribe(v311, 1, "a/#/b", 1)), Next::close);
  EXPECT_EQ(old.answers(), "");
  // In 3.x $share/ is a name like others: no breach, but nothing this broker can serve.
  Client other = connected("other", {}, 2);
  other.send(subscribe(v311, 1, "$share/g", 1));
  EXPECT_EQ(other.answers(), suback_of('\x80'));
}

TEST_F(SessionSubscribeTest, AnswersForADurableSessionOnlyWhenTheSubscriptionIsDurable) {
  { Client c = connected("reader", {.clean = false}); }
  restart(false);
  Client c(*broker_, 1);
  c.send(connect("reader", {.clean = false}));
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  EXPECT_EQ(c.answers(), connack_v311_present);
  c.send(subscribe(v311, 1, "a", 1));
  EXPECT_EQ(c.out, "");
  EXPECT_EQ(c.acks.size(), 1U);
  EXPECT_EQ(c.answers(), suback_of('\1'));
}

TEST_F(SessionSubscribeTest, UnsubscribesAndSaysWhatThereWas) {
  Client c = connected("reader", {.version = v5});
  c.send(subscribe(v5, 1, "a", 0) + unsubscribe(v5, 2, "a") + unsubscribe(v5, 3, "a"));
  EXPECT_EQ(c.answers(),
            suback_of('\0', 1, v5) + packet(0xB0, "\0\2\0\0"s) + packet(0xB0, "\0\3\0\x11"s));
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", "x", QoS::at_most_once, 0));
  EXPECT_EQ(got(c), "");
}

TEST_F(SessionSubscribeTest, DeliversAtTheLowerQos) {
  Client c = connected("reader");
  c.send(subscribe(v311, 1, "a/#", 1));
  c.answers();
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a/b", "0", QoS::at_most_once, 0) +
         publish(v311, "a/b", "2", QoS::exactly_once, 1));
  EXPECT_EQ(got(c), publish(v311, "a/b", "0", QoS::at_most_once, 0) +
                        publish(v311, "a/b", "2", QoS::at_least_once, 1));
  c.send(ack(PacketType::puback, 1));
  EXPECT_EQ(got(c), "");
  EXPECT_EQ(dispatch_counters_->queued_messages.load(), 0U);
}

TEST_F(SessionSubscribeTest, ShakesHandsForQos2) {
  Client c = connected("reader");
  c.send(subscribe(v311, 1, "a", 2));
  c.answers();
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", "x", QoS::exactly_once, 9));
  EXPECT_EQ(got(c), publish(v311, "a", "x", QoS::exactly_once, 1));
  c.send(ack(PacketType::pubrec, 1));
  EXPECT_EQ(got(c), ack(PacketType::pubrel, 1));
  c.send(ack(PacketType::pubrec, 1));  // it did not see the PUBREL
  EXPECT_EQ(got(c), ack(PacketType::pubrel, 1));
  c.send(ack(PacketType::pubcomp, 1));
  EXPECT_EQ(got(c), "");
  EXPECT_EQ(dispatch_counters_->queued_messages.load(), 0U);
}

TEST_F(SessionSubscribeTest, TellsAClientThatItsPubrecIsOfNothing) {
  Client c = connected("reader", {.version = v5});
  c.send(ack(PacketType::pubrec, 7));
  EXPECT_EQ(c.answers(), ack(PacketType::pubrel, 7, ReasonCode::packet_identifier_not_found, v5));
  c.send(ack(PacketType::puback, 7) + ack(PacketType::pubcomp, 7));
  EXPECT_EQ(c.answers(), "");
}

TEST_F(SessionSubscribeTest, APubrecWithAnErrorEndsIt) {
  Client c = connected("reader", {.version = v5});
  c.send(subscribe(v5, 1, "a", 2));
  c.answers();
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", "x", QoS::exactly_once, 9));
  EXPECT_EQ(got(c), publish(v5, "a", "x", QoS::exactly_once, 1));
  c.send(ack(PacketType::pubrec, 1, ReasonCode::quota_exceeded, v5));
  EXPECT_EQ(got(c), "");
  EXPECT_EQ(dispatch_counters_->queued_messages.load(), 0U);
}

TEST_F(SessionSubscribeTest, ADurableSubscriberMissesNothingWhileAwayAndOverAKill) {
  {
    Client c = connected("reader", {.clean = false});
    c.send(subscribe(v311, 1, "a", 1));
    EXPECT_EQ(c.answers(), suback_of('\1'));
  }
  restart();
  {
    Client p = connected("sensor", {}, 2);
    p.send(publish(v311, "a", "x", QoS::at_least_once, 9));
    EXPECT_EQ(p.answers(), ack(PacketType::puback, 9));
  }
  restart();
  Client c(*broker_, 1);
  c.send(connect("reader", {.clean = false}));
  EXPECT_EQ(got(c), connack_v311_present + publish(v311, "a", "x", QoS::at_least_once, 1));
}

TEST_F(SessionSubscribeTest, SendsAgainWithDupWhatWasNotAcknowledged) {
  const std::string sent = publish(v311, "a", "x", QoS::at_least_once, 1);
  {
    Client c = connected("reader", {.clean = false});
    c.send(subscribe(v311, 1, "a", 1));
    c.answers();
    Client p = connected("sensor", {}, 2);
    p.send(publish(v311, "a", "x", QoS::at_least_once, 9));
    EXPECT_EQ(got(c), sent);
    c.close();
  }
  Client again(*broker_, 3);
  again.send(connect("reader", {.clean = false}));
  EXPECT_EQ(got(again), connack_v311_present + dup(sent));
  again.send(ack(PacketType::puback, 1));
  EXPECT_EQ(got(again), "");
  again.close();
  checkpoint();
  restart();
  Client last(*broker_, 4);
  last.send(connect("reader", {.clean = false}));
  EXPECT_EQ(got(last), connack_v311_present);
}

TEST_F(SessionSubscribeTest, AQos2CopyThatTheClientHasIsOnlyReleasedAfterAKill) {
  {
    Client c = connected("reader", {.clean = false});
    c.send(subscribe(v311, 1, "a", 2));
    c.answers();
    Client p = connected("sensor", {}, 2);
    p.send(publish(v311, "a", "x", QoS::exactly_once, 9));
    EXPECT_EQ(got(c), publish(v311, "a", "x", QoS::exactly_once, 1));
    c.send(ack(PacketType::pubrec, 1));
    EXPECT_EQ(got(c), ack(PacketType::pubrel, 1));
  }
  restart();
  Client c(*broker_, 1);
  c.send(connect("reader", {.clean = false}));
  EXPECT_EQ(got(c), connack_v311_present + ack(PacketType::pubrel, 1));
  c.send(ack(PacketType::pubcomp, 1));
  EXPECT_EQ(got(c), "");
}

TEST_F(SessionSubscribeTest, ACleanSessionGetsNothingOfTheOneBefore) {
  {
    Client c = connected("reader", {.clean = false});
    c.send(subscribe(v311, 1, "a", 1));
    c.answers();
    c.close();
  }
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", "x", QoS::at_least_once, 9));
  p.answers();
  Client c(*broker_, 3);
  c.send(connect("reader"));
  EXPECT_EQ(got(c), connack_v311);
  p.send(publish(v311, "a", "y", QoS::at_least_once, 10));
  EXPECT_EQ(got(c), "");
}

TEST_F(SessionSubscribeTest, SendsRetainedMessagesToNewSubscriptions) {
  Client p = connected("sensor");
  p.send(retained(v311, "a/1", "one", QoS::at_least_once, 1) +
         retained(v311, "a/2", "two", QoS::exactly_once, 2) + retained(v311, "a/3", "three") +
         retained(v311, "a/3", ""));
  p.answers();
  Client c = connected("reader", {}, 2);
  c.send(subscribe(v311, 1, "a/#", 1));
  EXPECT_EQ(got(c), suback_of('\1') + retained(v311, "a/1", "one", QoS::at_least_once, 1) +
                        retained(v311, "a/2", "two", QoS::at_least_once, 2));
  EXPECT_EQ(retained_->size(), 2U);
}

TEST_F(SessionSubscribeTest, SendsNoRetainedMessageThatIsNotOnDisk) {
  restart(false);  // nothing is committed until start()
  Client p = connected("publisher", {}, 2);
  Client c = connected("reader");
  p.send(retained(v311, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(c.send(subscribe(v311, 1, "a", 1)), Next::stall);
  open_inbox();
  dispatch_->pump(now_);
  EXPECT_TRUE(peers_.deliveries.empty());
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  EXPECT_EQ(got(c), suback_of('\1') + retained(v311, "a", "x", QoS::at_least_once, 1));
}

TEST_F(SessionSubscribeTest, RetainedMessagesOutliveTheGateway) {
  {
    Client p = connected("sensor");
    p.send(retained(v311, "a", "one", QoS::at_least_once, 1) + retained(v311, "b", "two"));
    p.answers();
    checkpoint();
    p.send(retained(v311, "b", "three", QoS::at_least_once, 2));
    p.answers();
  }
  restart();
  Client c = connected("reader", {}, 2);
  c.send(subscribe(v311, 1, "#", 0));
  EXPECT_EQ(got(c), suback_of('\0') + retained(v311, "a", "one") + retained(v311, "b", "three"));
}

TEST_F(SessionSubscribeTest, MindsRetainHandling) {
  Client p = connected("sensor");
  p.send(retained(v311, "a", "x"));
  Client c = connected("reader", {.version = v5}, 2);
  const std::string message = retained(v5, "a", "x");
  c.send(subscribe(v5, 1, "a", 0x20));  // 2: never
  EXPECT_EQ(got(c), suback_of('\0', 1, v5));
  c.send(subscribe(v5, 2, "a", 0x10));  // 1: only a new subscription, and this one is known
  EXPECT_EQ(got(c), suback_of('\0', 2, v5));
  c.send(subscribe(v5, 3, "a", 0x00));  // 0: always
  EXPECT_EQ(got(c), suback_of('\0', 3, v5) + message);
  c.send(unsubscribe(v5, 4, "a"));
  got(c);
  c.send(subscribe(v5, 5, "a", 0x10));
  EXPECT_EQ(got(c), suback_of('\0', 5, v5) + message);
  c.send(subscribe(v5, 6, "$share/g/a", 0x00));  // [MQTT-4.8.2] none for shared ones
  EXPECT_EQ(got(c), suback_of('\0', 6, v5));
}

TEST_F(SessionSubscribeTest, QueuesMoreRetainedMessagesThanTheJournalTakesAtOnce) {
  Client p = connected("sensor");
  constexpr int n = 60;
  const std::string payload(20'000, 'x');  // 1.2 MB: the open buffer takes 256 KiB
  for (int i = 0; i < n; ++i) {
    p.send(retained(v311, "a/" + std::to_string(i), payload, QoS::at_least_once, 1));
    p.answers();
  }
  Client c = connected("reader", {.clean = false}, 2);
  c.send(subscribe(v311, 1, "a/+", 0));
  std::string all;
  for (std::string more = got(c); !more.empty() || c.stalled; more = got(c)) all += more;
  std::size_t copies = 0;
  for (std::size_t at = all.find(payload); at != std::string::npos; at = all.find(payload, at + 1))
    ++copies, at += payload.size() - 1;
  EXPECT_EQ(copies, static_cast<std::size_t>(n));
  EXPECT_NE(all.find(suback_of('\0')), std::string::npos);
}

TEST_F(SessionSubscribeTest, RefusesRetainWhereThereIsNone) {
  limits_.retain_available = false;
  restart();
  Client c(*broker_, 1);
  c.send(connect("sensor", {.version = v5}));
  EXPECT_NE(c.answers().find("\x25\0"s), std::string::npos);
  EXPECT_EQ(c.send(retained(v5, "a", "x")), Next::close);
  EXPECT_EQ(c.out, "\xE0\x01\x9A"s);
}

TEST_F(SessionSubscribeTest, RefusesARetainedWillWhereThereIsNoRetain) {
  limits_.retain_available = false;
  restart();
  Client c(*broker_, 1);
  const ConnectOptions asked{.version = v5,
                             .will = WillOptions{"will", "gone", QoS::at_most_once, true, {}}};
  EXPECT_EQ(c.send(connect("sensor", asked)), Next::close);
  EXPECT_EQ(c.out, "\x20\x03\0\x9A\0"s);  // Retain not supported
}

TEST_F(SessionSubscribeTest, AFullStoreStillStoresTheRow) {
  retained_limits_.messages = 1;
  restart();
  Client p = connected("sensor");
  p.send(retained(v311, "a", "x", QoS::at_least_once, 1) +
         retained(v311, "b", "y", QoS::at_least_once, 2));
  EXPECT_EQ(p.answers(), ack(PacketType::puback, 1) + ack(PacketType::puback, 2));
  EXPECT_EQ(received(), 2U);
  EXPECT_EQ(broker_->counters.not_retained.load(), 1U);
}

TEST_F(SessionSubscribeTest, ForwardsPropertiesAndWhatIsLeftOfTheExpiry) {
  Client c = connected("reader", {.version = v5});
  c.send(packet(0x82, number16(1) + "\x02\x0B\x07"s + text("a") + '\1'));
  c.answers();
  Client p = connected("sensor", {.version = v5}, 2);
  const std::string user = "\x26"s + text("k") + text("v");
  p.send(publish(v5, "a", "x", QoS::at_least_once, 9, "\x02\0\0\0\x0A"s + user));
  p.answers();
  dispatch();
  c.now_micros += 3'500'000;
  EXPECT_EQ(got(c),
            publish(v5, "a", "x", QoS::at_least_once, 1, user + "\x0B\x07"s + "\x02\0\0\0\x07"s));
}

TEST_F(SessionSubscribeTest, UsesTheClientsTopicAliases) {
  Client c = connected("reader", {.version = v5, .properties = "\x22\0\1"s});
  c.send(subscribe(v5, 1, "#", 0));
  c.answers();
  Client p = connected("sensor", {}, 2);
  for (const char* topic : {"a", "a", "b"}) {
    p.send(publish(v311, topic, "x", QoS::at_most_once, 0));
  }
  const std::string alias = "\x23\0\1"s;
  EXPECT_EQ(got(c), publish(v5, "a", "x", QoS::at_most_once, 0, alias) +
                        publish(v5, "", "x", QoS::at_most_once, 0, alias) +
                        publish(v5, "b", "x", QoS::at_most_once, 0));
}

TEST_F(SessionSubscribeTest, UsesNoTopicAliasAtQos2) {
  Client c = connected("reader", {.version = v5, .properties = "\x22\0\1"s});
  c.send(subscribe(v5, 1, "a", 2));
  c.answers();
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", "x", QoS::exactly_once, 1));
  EXPECT_EQ(got(c), publish(v5, "a", "x", QoS::exactly_once, 1));
}

TEST_F(SessionSubscribeTest, SendsNoCopyLargerThanTheClientTakes) {
  Client c = connected("reader", {.version = v5, .properties = "\x27\0\0\0\x40"s});
  c.send(subscribe(v5, 1, "a", 0));
  c.answers();
  Client p = connected("sensor", {}, 2);
  p.send(publish(v311, "a", std::string(100, 'x'), QoS::at_most_once, 0) +
         publish(v311, "a", "x", QoS::at_most_once, 0));
  EXPECT_EQ(got(c), publish(v5, "a", "x", QoS::at_most_once, 0));
}

TEST_F(SessionSubscribeTest, AnAcknowledgementThatFindsNoRoomIsTakenLater) {
  const std::string sent = publish(v311, "a", "x", QoS::at_least_once, 1);
  {
    Client c = connected("reader", {.clean = false});
    c.send(subscribe(v311, 1, "a", 1));
    c.answers();
    Client p = connected("sensor", {}, 2);
    p.send(publish(v311, "a", "x", QoS::at_least_once, 9));
    EXPECT_EQ(got(c), sent);
  }
  restart();
  Client c(*broker_, 1);
  c.send(connect("reader", {.clean = false}));
  EXPECT_EQ(got(c), connack_v311_present + dup(sent));
  // The open buffer is filled behind the commit thread's back: as often as it takes to see a stall.
  const std::string big = publish(v311, "b", std::string(100'000, 'x'), QoS::at_most_once, 0);
  Client p = connected("sensor", {}, 2);
  bool stalled = false;
  for (int i = 0; i < 1000 && !stalled; ++i) stalled = p.send(big) == Next::stall;
  const Next next = c.send(ack(PacketType::puback, 1));
  EXPECT_EQ(c.consumed, next == Next::stall ? 0U : 4U);
  EXPECT_EQ(got(c), "");
  EXPECT_EQ(dispatch_counters_->queued_messages.load(), 0U);
}

}  // namespace
}  // namespace rowgate::broker
