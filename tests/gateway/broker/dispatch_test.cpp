// The dispatcher's rules one by one; dispatch_property_test.cpp has them all at once.
#include "gateway/broker/dispatch.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/gateway/broker/dispatch_fixture.hpp"

namespace rowgate::broker {
namespace {

using namespace std::string_literals;
using mqtt::QoS;

std::vector<std::string> payloads(const std::vector<Delivery>& sent) {
  std::vector<std::string> all;
  for (const Delivery& d : sent) all.push_back(d.message ? d.message->payload : "PUBREL");
  return all;
}
using Payloads = std::vector<std::string>;

class DispatchTest : public ::testing::Test {
 protected:
  void subscriber(const std::string& id, std::string_view filter, QoS qos,
                  std::uint32_t identifier = 0) {
    world_.begin_client(id);
    world_.subscribe(id, filter, qos, identifier);
  }
  /// Publishes and runs until it is out.
  std::vector<Delivery> after_publish(const std::string& payload, QoS qos = QoS::exactly_once) {
    world_.publish("t", payload, qos);
    world_.run();
    return world_.take_sent();
  }

  DispatchWorld world_;
};

TEST_F(DispatchTest, SendsOnlyWhatIsDurable) {
  subscriber("s", "#", QoS::at_least_once);
  world_.attach("s");
  world_.run();
  world_.publish("t", "1", QoS::at_least_once);
  world_.pump();
  EXPECT_TRUE(world_.sent.empty());
  world_.step();  // the publish is durable, its packet id is not
  world_.pump();
  EXPECT_TRUE(world_.sent.empty());
  world_.run();
  EXPECT_EQ(payloads(world_.sent), Payloads{"1"});
}

TEST_F(DispatchTest, SendsAtTheLowerQosWithIdentifiersAndRetainAsPublished) {
  world_.begin_client("s");
  world_.tell(event::Subscribed{
      "s", "t", {.qos = QoS::at_least_once, .retain_as_published = true, .identifier = 7}});
  world_.subscribe("s", "#", QoS::at_most_once, 8);
  world_.attach("s");
  world_.publish("t", "1", QoS::exactly_once, "p", true);
  world_.run();
  ASSERT_EQ(world_.sent.size(), 1U);
  EXPECT_EQ(world_.sent[0].qos, QoS::at_least_once);
  EXPECT_TRUE(world_.sent[0].retain);
  EXPECT_FALSE(world_.sent[0].dup);
  EXPECT_NE(world_.sent[0].packet_id, 0);
  EXPECT_EQ(world_.sent[0].identifiers.size(), 2U);
}

TEST_F(DispatchTest, HoldsBackBehindTheReceiveMaximum) {
  subscriber("s", "#", QoS::at_least_once);
  world_.attach("s", 2);
  for (const char* p : {"1", "2", "3"}) world_.publish("t", p, QoS::at_least_once);
  world_.run();
  auto sent = world_.take_sent();
  EXPECT_EQ(payloads(sent), (Payloads{"1", "2"}));
  world_.tell(event::Done{"s", sent[0].packet_id});
  world_.run();
  EXPECT_EQ(payloads(world_.take_sent()), Payloads{"3"});
}

TEST_F(DispatchTest, SendsAgainInOrderUnderTheSameIds) {
  subscriber("s", "#", QoS::exactly_once);
  ConnectionRef to = world_.attach("s");
  for (const char* p : {"1", "2", "3"}) world_.publish("t", p, QoS::exactly_once);
  world_.run();
  const auto first = world_.take_sent();
  ASSERT_EQ(first.size(), 3U);
  world_.tell(event::Received{"s", first[0].packet_id});
  world_.run();
  EXPECT_EQ(payloads(world_.take_sent()), Payloads{"PUBREL"});
  world_.dispatch->detach({"s", to}, world_.now);
  world_.publish("t", "4", QoS::exactly_once);
  world_.run();
  EXPECT_TRUE(world_.sent.empty());

  for (const bool crash : {false, true}) {
    if (crash) world_.crash();
    to = world_.attach("s");
    world_.run();
    auto again = world_.take_sent();
    ASSERT_EQ(again.size(), 4U);
    const auto release =
        std::find_if(again.begin(), again.end(), [](const Delivery& d) { return !d.message; });
    ASSERT_NE(release, again.end());
    EXPECT_EQ(release->packet_id, first[0].packet_id);
    again.erase(release);
    EXPECT_EQ(payloads(again), (Payloads{"2", "3", "4"}));
    EXPECT_EQ(again[0].packet_id, first[1].packet_id);
    EXPECT_EQ(again[1].packet_id, first[2].packet_id);
    EXPECT_TRUE(again[0].dup && again[1].dup);
    EXPECT_EQ(again[2].dup, crash);  // the first time on a live connection it was new
  }
}

TEST_F(DispatchTest, ADetachOfAnOlderConnectionChangesNothing) {
  subscriber("s", "#", QoS::at_least_once);
  const ConnectionRef old = world_.attach("s");
  world_.attach("s");
  world_.run();
  world_.dispatch->detach({"s", old}, world_.now);
  EXPECT_EQ(payloads(after_publish("1")), Payloads{"1"});
}

TEST_F(DispatchTest, AnAttachWaitsForWhatItComesAfter) {
  subscriber("s", "#", QoS::at_least_once);
  world_.publish("t", "1", QoS::at_least_once);
  world_.run();
  world_.begin_client("s");  // anew: the copy that waited is void
  world_.attach("s");
  world_.pump();
  EXPECT_TRUE(world_.sent.empty());
  world_.run();
  EXPECT_TRUE(world_.sent.empty());
}

TEST_F(DispatchTest, ASessionThatEndsOrBeginsAnewLeavesNothing) {
  subscriber("s", "#", QoS::exactly_once);
  world_.subscribe("s", "$share/g/#", QoS::exactly_once);
  world_.attach("s");
  for (const char* p : {"1", "2"}) world_.publish("t", p, QoS::exactly_once);
  world_.run();
  world_.commit();
  world_.tell(event::Ended{"s"});
  world_.run();
  world_.commit();
  EXPECT_EQ(world_.store.values.size(), 1U);  // the version
  EXPECT_EQ(world_.counters->queued_messages.load(), 0U);
  EXPECT_EQ(world_.counters->queued_bytes.load(), 0U);
  EXPECT_EQ(world_.counters->subscriptions.load(), 0U);
  EXPECT_EQ(world_.counters->sessions.load(), 0U);
  EXPECT_FALSE(world_.dispatch->wants_all_publishes());
}

TEST_F(DispatchTest, DropsTheNewestWhenAQueueIsFullAndTheSameOnesAfterACrash) {
  world_.options.max_queued_messages = 2;
  world_.crash();
  subscriber("s", "#", QoS::at_least_once);
  for (const char* p : {"1", "2", "3"}) world_.publish("t", p, QoS::at_least_once);
  world_.run();
  EXPECT_EQ(world_.counters->queue_full.load(), 1U);
  world_.crash();
  world_.attach("s");
  world_.run();
  EXPECT_EQ(payloads(world_.take_sent()), (Payloads{"1", "2"}));
}

TEST_F(DispatchTest, DropsWhatIsExpiredOrTooLargeBeforeItIsSent) {
  subscriber("s", "#", QoS::at_least_once);
  world_.publish("t", "old", QoS::at_least_once, "p", false, "\x02\0\0\0\x05"s);
  world_.publish("t", std::string(500, 'x'), QoS::at_least_once);
  world_.publish("t", "good", QoS::at_least_once);
  world_.run();
  world_.now.micros += 6'000'000;
  world_.attach("s", 65535, 100);
  world_.run();
  EXPECT_EQ(payloads(world_.take_sent()), Payloads{"good"});
  EXPECT_EQ(world_.counters->expired.load(), 1U);
  EXPECT_EQ(world_.counters->too_large.load(), 1U);
  EXPECT_EQ(world_.counters->queued_messages.load(), 1U);
}

// The client may hold the id as that of a message it has: it must be released before it is used
// for another, which the client would take for the same.
TEST_F(DispatchTest, AnIdThatTheClientMayHoldIsReleasedWhereItsCopyHasBecomeTooLarge) {
  subscriber("s", "#", QoS::exactly_once);
  const ConnectionRef to = world_.attach("s");
  const auto sent = after_publish(std::string(500, 'x'));
  ASSERT_EQ(sent.size(), 1U);
  world_.dispatch->detach({"s", to}, world_.now);
  world_.attach("s", 65535, 100);
  world_.run();
  const auto released = world_.take_sent();
  ASSERT_EQ(payloads(released), Payloads{"PUBREL"});
  EXPECT_EQ(released[0].packet_id, sent[0].packet_id);
  EXPECT_EQ(world_.counters->too_large.load(), 1U);
  world_.tell(event::Done{"s", sent[0].packet_id});
  world_.run();
  EXPECT_EQ(payloads(after_publish("small")), Payloads{"small"});
}

TEST_F(DispatchTest, ACopyThatCameAndWentIsNeverWritten) {
  subscriber("s", "#", QoS::at_least_once);
  world_.attach("s");
  world_.run();
  world_.commit();
  const std::size_t writes = world_.store.writes;
  const auto sent = after_publish("1");
  world_.tell(event::Done{"s", sent.at(0).packet_id});
  world_.run();
  EXPECT_EQ(world_.dispatch->pending_changes(), 0U);
  world_.commit();
  EXPECT_EQ(world_.store.writes, writes);
}

TEST_F(DispatchTest, StoresAMessageOnceHoweverManyWaitForIt) {
  for (const char* id : {"a", "b", "c"}) subscriber(id, "#", QoS::at_least_once);
  world_.publish("t", "1", QoS::at_least_once);
  world_.run();
  world_.commit();
  std::size_t messages = 0, copies = 0;
  for (const auto& [key, value] : world_.store.values) {
    messages += key[0] == '1';
    copies += key[0] == '4';
  }
  EXPECT_EQ(messages, 1U);
  EXPECT_EQ(copies, 3U);
}

TEST_F(DispatchTest, AMemberThatLeavesGivesBackItsQos1CopiesToAnother) {
  subscriber("a", "$share/g/#", QoS::at_least_once);
  const ConnectionRef to = world_.attach("a");
  for (const char* p : {"1", "2"}) world_.publish("t", p, QoS::at_least_once);
  world_.run();
  EXPECT_EQ(world_.take_sent().size(), 2U);
  subscriber("b", "$share/g/#", QoS::at_least_once);
  world_.attach("b");
  world_.dispatch->detach({"a", to}, world_.now);
  world_.run();
  EXPECT_EQ(payloads(world_.take_sent()), (Payloads{"1", "2"}));
}

TEST_F(DispatchTest, AQos2CopyOfAGroupWaitsForItsMember) {
  subscriber("a", "$share/g/#", QoS::exactly_once);
  const ConnectionRef to = world_.attach("a");
  const auto first = after_publish("1");
  subscriber("b", "$share/g/#", QoS::exactly_once);
  world_.attach("b");
  world_.dispatch->detach({"a", to}, world_.now);
  world_.run();
  EXPECT_TRUE(world_.take_sent().empty());  // [MQTT-4.8.2-4]
  world_.attach("a");
  world_.run();
  const auto again = world_.take_sent();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_TRUE(again[0].dup);
  EXPECT_EQ(again[0].packet_id, first.at(0).packet_id);
}

TEST_F(DispatchTest, AGroupSharesItsMessagesOutAmongWhoeverIsThere) {
  for (const char* id : {"a", "b"}) subscriber(id, "$share/g/#", QoS::at_least_once);
  const ConnectionRef a = world_.attach("a"), b = world_.attach("b");
  for (int i = 0; i < 10; ++i) world_.publish("t", "x", QoS::at_least_once);
  world_.run();
  const auto sent = world_.take_sent();
  ASSERT_EQ(sent.size(), 10U);
  const auto to = [&](ConnectionRef c) {
    return std::count_if(sent.begin(), sent.end(), [&](const Delivery& d) { return d.to == c; });
  };
  EXPECT_EQ(to(a), 5);
  EXPECT_EQ(to(b), 5);
}

TEST_F(DispatchTest, AnEphemeralSessionNeedsNoJournal) {
  world_.mail(event::Began{"e", true, 0, {}});
  world_.mail(event::Subscribed{"e", "#", {.qos = QoS::exactly_once}});
  const ConnectionRef to = world_.attach("e");
  const auto sent = after_publish("1");
  ASSERT_EQ(payloads(sent), Payloads{"1"});
  EXPECT_EQ(world_.journal.size(), 1U);
  world_.mail(event::Received{"e", sent[0].packet_id});
  EXPECT_EQ(payloads(world_.take_sent()), Payloads{"PUBREL"});
  world_.mail(event::Done{"e", sent[0].packet_id});
  EXPECT_EQ(world_.counters->queued_messages.load(), 0U);
  world_.dispatch->detach({"e", to}, world_.now);
  world_.mail(event::Ended{"e"});
  EXPECT_FALSE(world_.dispatch->wants_all_publishes());
}

TEST_F(DispatchTest, RemembersRetainedMessagesAndWillsOverACrash) {
  world_.publish("kept", "1", QoS::at_least_once, "p", true);
  world_.publish("cleared", "1", QoS::at_least_once, "p", true);
  world_.run();
  world_.commit();
  world_.publish("cleared", "", QoS::at_least_once, "p", true);
  world_.tell(event::Began{"s", true, 0, WillView{"w", "gone", {}, QoS::at_least_once, true, 5}});
  world_.run();
  for (const bool committed : {false, true}) {
    if (committed) world_.commit();
    world_.crash();
    EXPECT_TRUE(world_.retained->has("kept"));
    EXPECT_FALSE(world_.retained->has("cleared"));
    EXPECT_EQ(world_.kept, std::vector<std::string>{"s"});
  }
}

TEST_F(DispatchTest, StoresNoRetainedMessageThatFoundNoRoom) {
  world_.publish("a", "1", QoS::at_least_once, "p", true);
  world_.publish(std::string(250, '/'), "too deep", QoS::at_least_once, "p", true);
  ASSERT_EQ(world_.retained->size(), 1U);
  world_.run();
  world_.commit();
  EXPECT_EQ(world_.store.values.size(), 2U);  // the version and "a"
  // Also where the message before had found room.
  world_.publish("a", std::string(world_.retained_limit, 'x'), QoS::at_least_once, "p", true);
  world_.run();
  world_.commit();
  EXPECT_EQ(world_.store.values.size(), 1U);
  world_.crash();
  EXPECT_FALSE(world_.retained->has("a"));
}

TEST_F(DispatchTest, RefusesAnEventThatItDoesNotKnow) {
  storage::RecordView record;
  record.type = storage::RecordType::event;
  record.event = "\x63\0\0";
  EXPECT_THROW(world_.dispatch->apply(record, world_.now), std::runtime_error);
}

TEST_F(DispatchTest, RefusesADamagedStore) {
  subscriber("s", "#", QoS::at_least_once);
  world_.publish("t", "1", QoS::at_least_once);
  world_.run();
  world_.commit();
  for (auto& [key, value] : world_.store.values) {
    const std::string before = std::exchange(value, "\xff");
    EXPECT_THROW(world_.crash(), std::runtime_error) << key;
    value = before;
  }
  EXPECT_NO_THROW(world_.crash());
}

}  // namespace
}  // namespace rowgate::broker
