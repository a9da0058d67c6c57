#include "gateway/broker/subscriptions.hpp"

#include <random>

#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

std::vector<std::string> who(const Subscriptions& subscriptions, std::string_view topic,
                             std::string_view publisher = "") {
  std::vector<Recipient> found;
  subscriptions.match(topic, publisher, found);
  std::vector<std::string> names;
  for (const Recipient& r : found) names.push_back(r.subscriber->client_id);
  std::sort(names.begin(), names.end());
  return names;
}

/// Section 4.7 of MQTT 5.0, level by level.
bool naive_match(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  while (true) {
    if (filter == "#") return true;
    const auto f = filter.find('/'), t = topic.find('/');
    if (filter.substr(0, f) != "+" && filter.substr(0, f) != topic.substr(0, t)) return false;
    if (f == filter.npos || t == topic.npos) {
      return f == t || (t == topic.npos && filter.substr(f) == "/#");
    }
    filter.remove_prefix(f + 1);
    topic.remove_prefix(t + 1);
  }
}

TEST(Subscriptions, MatchAsTheSpecificationDoes) {
  std::mt19937 random(7);
  const auto pick = [&](std::initializer_list<const char*> from) {
    return std::string(from.begin()[random() % from.size()]);
  };
  for (int round = 0; round < 2000; ++round) {
    std::string filter = pick({"a", "b", "+", "", "$x"}), topic = pick({"a", "b", "", "$x"});
    for (auto n = random() % 3; n > 0; --n) filter += "/" + pick({"a", "b", "+", ""});
    if (random() % 3 == 0) filter += "/#";
    if (random() % 20 == 0) filter = "#";
    for (auto n = random() % 4; n > 0; --n) topic += "/" + pick({"a", "b", ""});
    Subscriptions subscriptions;
    subscriptions.add(filter, std::make_shared<Subscriber>("s"), {});
    EXPECT_EQ(!who(subscriptions, topic).empty(), naive_match(filter, topic))
        << filter << " | " << topic;
  }
}

TEST(Subscriptions, MergeOverlappingFiltersOfOneSubscriber) {
  Subscriptions subscriptions;
  const auto s = std::make_shared<Subscriber>("s");
  subscriptions.add("a/+", s, {.qos = QoS::at_most_once, .identifier = 1});
  subscriptions.add("a/#", s, {.qos = QoS::exactly_once, .identifier = 2});
  std::vector<Recipient> found;
  subscriptions.match("a/b", "", found);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].qos, QoS::exactly_once);
  EXPECT_EQ(found[0].identifiers.size(), 2U);
}

TEST(Subscriptions, LeaveNothingBehindWhenRemoved) {
  Subscriptions subscriptions;
  const auto s = std::make_shared<Subscriber>("s");
  EXPECT_TRUE(subscriptions.add("a/b/c", s, {}));
  EXPECT_FALSE(subscriptions.add("a/b/c", s, {}));
  EXPECT_TRUE(subscriptions.remove("a/b/c", *s));
  EXPECT_FALSE(subscriptions.remove("a/b/c", *s));
  EXPECT_TRUE(subscriptions.empty());
  EXPECT_TRUE(who(subscriptions, "a/b/c").empty());
}

TEST(Subscriptions, HonourNoLocal) {
  Subscriptions subscriptions;
  subscriptions.add("a", std::make_shared<Subscriber>("me"), {.no_local = true});
  EXPECT_TRUE(who(subscriptions, "a", "me").empty());
  EXPECT_EQ(who(subscriptions, "a", "you").size(), 1U);
}

using LiveTest = SessionTest;

TEST_F(LiveTest, DeliversAtTheLowerQosAndAcknowledges) {
  Client reader = connected("reader", {}, 1);
  reader.send(subscribe(Version::v311, 3, "a/#", 1));
  EXPECT_EQ(reader.answers(), "\x90\x03\0\x03\x01"s);
  Client writer = connected("writer", {}, 2);
  writer.send(publish(Version::v311, "a/b", "hi", QoS::exactly_once, 1));
  ASSERT_EQ(peers_.deliveries.size(), 1U);
  EXPECT_EQ(peers_.deliveries[0].to, (ConnectionRef{0, 1, 1}));
  reader.session.deliver(std::move(peers_.deliveries[0]), reader.ticks, reader.out);
  EXPECT_EQ(reader.answers(), publish(Version::v311, "a/b", "hi", QoS::at_least_once, 1));
  EXPECT_EQ(reader.send(ack(PacketType::puback, 1)), Session::Next::read);
}

TEST_F(LiveTest, DeliversADuplicateQos2PublishOnce) {
  Client reader = connected("reader", {}, 1);
  reader.send(subscribe(Version::v311, 3, "#", 2));
  Client writer = connected("writer", {}, 2);
  const std::string sent = publish(Version::v311, "a", "x", QoS::exactly_once, 1);
  writer.send(sent + sent);
  EXPECT_EQ(peers_.deliveries.size(), 1U);
}

TEST_F(LiveTest, HoldsCopiesBackBehindTheReceiveMaximum) {
  Client reader = connected("reader", {.version = Version::v5, .properties = "\x21\0\x01"s}, 1);
  reader.send(subscribe(Version::v5, 3, "#", 1));
  reader.answers();
  Client writer = connected("writer", {}, 2);
  writer.send(publish(Version::v311, "a", "1", QoS::at_least_once, 1) +
              publish(Version::v311, "a", "2", QoS::at_least_once, 2));
  for (Delivery& d : peers_.deliveries)
    reader.session.deliver(std::move(d), reader.ticks, reader.out);
  EXPECT_EQ(reader.answers(), publish(Version::v5, "a", "1", QoS::at_least_once, 1));
  reader.send(ack(PacketType::puback, 1));
  EXPECT_EQ(reader.answers(), publish(Version::v5, "a", "2", QoS::at_least_once, 2));
}

TEST_F(LiveTest, ForwardsWhatIsLeftOfTheExpiryAndDropsTheExpired) {
  Client reader = connected("reader", {.version = Version::v5, .properties = "\x21\0\x01"s}, 1);
  reader.send(subscribe(Version::v5, 3, "#", 1));
  reader.answers();
  Client writer = connected("writer", {.version = Version::v5}, 2);
  for (int i = 0; i < 3; ++i) {
    writer.send(publish(Version::v5, "a", "1", QoS::at_most_once, 0, "\x02\0\0\0\x0A"s));
  }
  for (Delivery& d : peers_.deliveries) {
    d.qos = QoS::at_least_once;
    reader.session.deliver(std::move(d), reader.ticks + std::chrono::seconds(3), reader.out);
  }
  EXPECT_EQ(reader.answers(),
            publish(Version::v5, "a", "1", QoS::at_least_once, 1, "\x02\0\0\0\x07"s));
  reader.ticks += std::chrono::seconds(10);
  reader.send(ack(PacketType::puback, 1));
  EXPECT_EQ(reader.answers(), "");
}

TEST_F(LiveTest, RefusesFiltersOneByOne) {
  Client c = connected("reader", {.version = Version::v5});
  c.send(packet(0x82, number16(4) + "\0"s + text("a/#/b") + "\0"s + text("$share/g/a") + "\0"s +
                          text("ok") + "\x02"s));
  EXPECT_EQ(c.answers(), packet(0x90, number16(4) + "\0\x8F\x9E\x02"s));
  c.send(packet(0xA2, number16(5) + "\0"s + text("ok") + text("never")));
  EXPECT_EQ(c.answers(), packet(0xB0, number16(5) + "\0\0\x11"s));
}

TEST_F(LiveTest, KeepsSubscriptionsWithTheSession) {
  Client first = connected("reader", {.clean = false}, 1);
  first.send(subscribe(Version::v311, 3, "a", 0));
  first.session.closed(first.ticks);
  EXPECT_EQ(broker_->subscriptions.size(), 1U);
  Client again = connected("reader", {.clean = false}, 3);
  Client writer = connected("writer", {}, 2);
  writer.send(publish(Version::v311, "a", "x", QoS::at_most_once, 0));
  ASSERT_EQ(peers_.deliveries.size(), 1U);
  EXPECT_EQ(peers_.deliveries[0].to.slot, 3U);
  again.session.closed(again.ticks);
  Client clean = connected("reader", {.clean = true}, 4);
  EXPECT_TRUE(broker_->subscriptions.empty());
}

}  // namespace
}  // namespace rowgate::broker
