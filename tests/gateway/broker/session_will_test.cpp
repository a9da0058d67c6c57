// Wills: published on every way a connection ends but a plain DISCONNECT, over a real dispatcher.
#include "gateway/broker/session.hpp"
#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using Next = Session::Next;
constexpr Version v311 = Version::v311, v5 = Version::v5;

class SessionWillTest : public SessionTest {
 protected:
  static ConnectOptions with_will(Version version = v311, std::string will_properties = {},
                                  std::string properties = {}, bool clean = true) {
    ConnectOptions o;
    o.version = version;
    o.clean = clean;
    o.properties = std::move(properties);
    o.will = WillOptions{"will", "gone", QoS::at_least_once, false, std::move(will_properties)};
    return o;
  }
  /// How many Wills this process has published.
  std::uint64_t wills() {
    dispatch();
    return broker_->counters.wills.load();
  }
};

TEST_F(SessionWillTest, IsPublishedWhenTheNetworkConnectionIsLost) {
  Client reader = connected("reader", {}, 9);
  reader.send(subscribe(v311, 1, "will", 1));
  got(reader);
  Client c = connected("sensor", with_will());
  c.close();
  EXPECT_EQ(wills(), 1U);
  EXPECT_EQ(received(), 1U);  // a row like any other
  EXPECT_EQ(got(reader), publish(v311, "will", "gone", QoS::at_least_once, 1));
}

TEST_F(SessionWillTest, APlainDisconnectTakesItBack) {
  Client three = connected("three", with_will());
  EXPECT_EQ(three.send(disconnect), Next::close);
  three.close();
  Client five = connected("five", with_will(v5), 2);
  EXPECT_EQ(five.send(disconnect), Next::close);
  five.close();
  EXPECT_EQ(wills(), 0U);
}

TEST_F(SessionWillTest, IsPublishedWhenTheClientAsksForIt) {
  Client c = connected("sensor", with_will(v5));
  EXPECT_EQ(c.send("\xE0\1\4"s), Next::close);  // Disconnect with Will Message
  c.close();
  EXPECT_EQ(wills(), 1U);
}

TEST_F(SessionWillTest, IsPublishedAfterAProtocolErrorAndAKeepAliveTimeOut) {
  Client bad = connected("bad", with_will());
  EXPECT_EQ(bad.send(connect("bad")), Next::close);
  bad.close();
  ConnectOptions o = with_will();
  o.keep_alive = 10;
  Client silent = connected("silent", o, 2);
  EXPECT_EQ(silent.tick(std::chrono::seconds(16)), Next::close);
  silent.close();
  EXPECT_EQ(wills(), 2U);
}

TEST_F(SessionWillTest, IsPublishedWhenTheServerEndsTheConnection) {
  Client c = connected("sensor", with_will(v5));
  c.session.disconnect(ReasonCode::server_shutting_down, c.out);
  c.close();
  EXPECT_EQ(wills(), 1U);
}

TEST_F(SessionWillTest, IsPublishedWhenTheSessionIsTakenOver) {
  Client first = connected("sensor", with_will());
  Client second(*broker_, 2);
  EXPECT_EQ(second.send(connect("sensor")), Next::take_over);
  first.session.disconnect(ReasonCode::session_taken_over, first.out);
  first.close();
  second.send("");
  EXPECT_EQ(second.answers(), connack_v311);
  EXPECT_EQ(wills(), 1U);
}

TEST_F(SessionWillTest, WaitsForItsDelay) {
  Client c = connected("sensor", with_will(v5, will_delay(10), expiry(60)));
  c.close();
  EXPECT_EQ(wills(), 0U);
  wait(9);
  EXPECT_EQ(wills(), 0U);
  wait(10);
  EXPECT_EQ(wills(), 1U);
  wait(61);
  EXPECT_EQ(wills(), 1U);
  EXPECT_EQ(dispatch_counters_->sessions.load(), 0U);
}

TEST_F(SessionWillTest, WaitsNoLongerThanTheSession) {
  Client none = connected("none", with_will(v5, will_delay(10)));
  none.close();
  EXPECT_EQ(wills(), 1U);
  Client brief = connected("brief", with_will(v5, will_delay(100), expiry(5)), 2);
  brief.close();
  EXPECT_EQ(wills(), 1U);
  wait(5);
  EXPECT_EQ(wills(), 2U);
}

TEST_F(SessionWillTest, ANewConnectionTakesItBackWhileItWaits) {
  Client first = connected("sensor", with_will(v5, will_delay(10), expiry(60)));
  first.close();
  Client second = connected("sensor", {.version = v5, .clean = false, .properties = expiry(60)}, 2);
  second.close();
  wait(61);
  EXPECT_EQ(wills(), 0U);
}

TEST_F(SessionWillTest, ACleanStartEndsTheSessionAndPublishesItsWill) {
  Client first = connected("sensor", with_will(v5, will_delay(10), expiry(60)));
  first.close();
  Client second = connected("sensor", {.version = v5}, 2);
  EXPECT_EQ(wills(), 1U);
}

TEST_F(SessionWillTest, IsPublishedOnceAfterAKill) {
  { Client c = connected("sensor", with_will()); }
  restart();
  wait(0);
  EXPECT_EQ(wills(), 1U);
  checkpoint();
  restart();
  wait(0);
  EXPECT_EQ(wills(), 0U);  // of this process
}

TEST_F(SessionWillTest, OneThatWaitsIsStillDueAfterAKill) {
  {
    Client c = connected("sensor", with_will(v5, will_delay(10), expiry(60)));
    c.close();
    checkpoint();
  }
  restart();
  wait(9);
  EXPECT_EQ(wills(), 0U);
  wait(10);
  EXPECT_EQ(wills(), 1U);
  restart();
  wait(11);
  EXPECT_EQ(broker_->counters.wills.load(), 0U);
}

TEST_F(SessionWillTest, FindsItsWayWhenTheJournalHasNoRoom) {
  options_.max_bytes = 4U << 20;
  restart();
  Client c = connected("sensor", with_will());
  storage::PublishRecord filler;
  filler.client_id = "filler";
  const std::string large(10'000, 'x');
  filler.payload = large;
  filler.qos = 1;
  for (int tries = 0; tries < 100'000; ++tries) {
    const auto appended = journal_->append(filler);
    if (!appended && appended.error() == storage::AppendError::full) break;
  }
  filler.payload = {};
  while (journal_->append(filler)) {
  }
  c.close();
  const auto before = broker_->counters.wills.load();
  while (journal_->durable() < journal_->appended()) std::this_thread::yield();
  dispatch();
  journal_->trim(journal_->durable());
  wait(1);
  wait(2);
  EXPECT_EQ(before, 0U);
  EXPECT_EQ(broker_->counters.wills.load(), 1U);
}

TEST_F(SessionWillTest, IsRetainedIfAskedFor) {
  ConnectOptions o = with_will(v5, "\x01\x01"s + will_delay(0) + "\x02\0\0\0\x0A"s);
  o.will->retain = true;
  Client c = connected("sensor", o);
  c.close();
  Client reader = connected("reader", {.version = v5}, 2);
  reader.send(subscribe(v5, 1, "will", 0));
  EXPECT_EQ(got(reader), suback(v5, 1, "\0"s) + retained(v5, "will", "gone", QoS::at_most_once, 0,
                                                         "\x01\x01\x02\0\0\0\x0A"s));
}

TEST_F(SessionWillTest, ItsTopicAndPayloadAreCheckedAtConnect) {
  const auto refused = [&](WillOptions will) {
    Client c(*broker_, 1);
    ConnectOptions o{.version = v5};
    o.will = std::move(will);
    EXPECT_EQ(c.send(connect("sensor", o)), Next::close);
    return c.out.at(3);
  };
  EXPECT_EQ(refused({"a/#", "x"}), '\x90');
  EXPECT_EQ(refused({"$SYS/x", "x"}), '\x87');
  EXPECT_EQ(refused({"a", "\xFF", QoS::at_most_once, false, "\x01\x01"s}), '\x99');
}

}  // namespace
}  // namespace rowgate::broker
