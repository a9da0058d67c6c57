// Who may connect, publish and subscribe, and how much of it.
#include <fstream>

#include "gateway/broker/session.hpp"
#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using Next = Session::Next;
constexpr Version v311 = Version::v311, v5 = Version::v5;

class SessionLimitsTest : public SessionTest {
 protected:
  ~SessionLimitsTest() override { std::filesystem::remove(rules_); }
  void write_rules(const std::string& toml) const { std::ofstream(rules_) << toml; }
  const std::string rules_ = directory_.string() + ".acl";
};

TEST_F(SessionLimitsTest, WaitsForTheVerdictBeforeItTakesOverAnybody) {
  Client first = connected("sensor", {.clean = false});
  security::Authenticator strict({});
  broker_->authenticator = &strict;
  Client second(*broker_, 2);
  EXPECT_EQ(second.send(connect("sensor") + "\xC0\0"s), Next::authenticate);
  EXPECT_EQ(second.send(""), Next::authenticate);
  ASSERT_EQ(peers_.verdicts.size(), 1U);
  second.session.authenticated(std::move(peers_.verdicts[0]));
  EXPECT_EQ(second.send(""), Next::close);
  EXPECT_EQ(second.out, "\x20\x02\0\x05"s);  // 3.1.1: not authorized
  second.close();
  EXPECT_TRUE(peers_.take_overs.empty());
  EXPECT_EQ(first.send("\xC0\0"s), Next::read);
  EXPECT_EQ(first.answers(), "\xD0\0"s);
}

TEST_F(SessionLimitsTest, LetsInWhoeverIsAuthenticated) {
  security::Authenticator::Options options;
  options.anonymous = true;
  security::Authenticator open(std::move(options));
  broker_->authenticator = &open;
  Client c(*broker_, 1);
  EXPECT_EQ(c.send(connect("sensor")), Next::authenticate);
  c.session.authenticated(std::move(peers_.verdicts.at(0)));
  EXPECT_EQ(c.send("\xC0\0"s), Next::read);
  EXPECT_EQ(c.answers(), connack_v311 + "\xD0\0"s);
}

TEST_F(SessionLimitsTest, RefusesEnhancedAuthentication) {
  Client c(*broker_, 1);
  EXPECT_EQ(c.send(connect("c", {.version = v5, .properties = "\x15"s + text("SCRAM")})),
            Next::close);
  EXPECT_EQ(c.out, "\x20\x03\0\x8C\0"s);
}

TEST_F(SessionLimitsTest, EndsASessionWhoseTokenHasExpired) {
  security::Authenticator strict({});
  broker_->authenticator = &strict;
  Client c(*broker_, 1);
  c.send(connect("c", {.version = v5}));
  security::Verdict verdict;
  verdict.code = ReasonCode::success;
  verdict.identity.expires = Timestamp{c.now_micros + 5'000'000};
  c.session.authenticated(std::move(verdict));
  c.send("");
  c.answers();
  EXPECT_EQ(c.tick(std::chrono::seconds(4)), Next::read);
  EXPECT_EQ(c.tick(std::chrono::seconds(5)), Next::close);
  EXPECT_EQ(c.out, "\xE0\x01\x87"s);
}

TEST_F(SessionLimitsTest, NobodyPublishesToTheGatewaysOwnTopics) {
  Client five = connected("five", {.version = v5});
  for (const char* topic : {"$SYS/x", "$share/g/x", "$rowgate/x", "$presence/x"}) {
    EXPECT_EQ(five.send(publish(v5, topic, "x", QoS::at_least_once, 1)), Next::read);
    EXPECT_EQ(five.answers(), ack(PacketType::puback, 1, ReasonCode::not_authorized, v5));
    EXPECT_EQ(five.send(publish(v5, topic, "x", QoS::at_most_once, 0)), Next::read);
  }
  EXPECT_EQ(five.send(publish(v5, "$other", "x", QoS::at_least_once, 1)), Next::read);
  EXPECT_EQ(five.answers(), ack(PacketType::puback, 1));
  EXPECT_EQ(broker_->counters.denied_publishes.load(), 8U);
  Client three = connected("three", {}, 2);
  EXPECT_EQ(three.send(publish(v311, "$SYS/x", "x", QoS::at_least_once, 1)), Next::close);
  EXPECT_EQ(received(), 1U);
}

TEST_F(SessionLimitsTest, AsksTheAclAndForgetsWhatItForbidsLater) {
  write_rules("default = \"deny\"\n[[rule]]\npublish = [\"a/#\"]\nsubscribe = [\"a/#\", \"b\"]\n");
  security::LiveAcl acl(rules_);
  broker_->acl = &acl;
  Client c = connected("c", {.version = v5});
  c.send(publish(v5, "a/1", "x", QoS::at_least_once, 1) +
         publish(v5, "b", "x", QoS::exactly_once, 2) + subscribe(v5, 3, "#", 1) +
         subscribe(v5, 4, "b", 1));
  const std::string all = c.answers();
  EXPECT_NE(all.find(ack(PacketType::puback, 1, ReasonCode::success, v5)), std::string::npos);
  EXPECT_NE(all.find(ack(PacketType::pubrec, 2, ReasonCode::not_authorized, v5)),
            std::string::npos);
  EXPECT_NE(all.find(suback(v5, 3, "\x87")), std::string::npos);
  EXPECT_NE(all.find(suback(v5, 4, "\1")), std::string::npos);
  dispatch();
  EXPECT_EQ(dispatch_counters_->subscriptions.load(), 1U);
  std::filesystem::remove(rules_);
  write_rules("default = \"deny\"\n[[rule]]\nsubscribe = [\"a/b/c\"]\n");
  ASSERT_TRUE(acl.reload());
  EXPECT_EQ(c.tick(std::chrono::seconds(1)), Next::read);
  dispatch();
  EXPECT_EQ(dispatch_counters_->subscriptions.load(), 0U);
  c.send(publish(v5, "a/1", "x", QoS::at_least_once, 1));
  EXPECT_EQ(c.answers(), ack(PacketType::puback, 1, ReasonCode::not_authorized, v5));
}

TEST_F(SessionLimitsTest, ChecksThatTextIsText) {
  Client c = connected("c", {.version = v5});
  const std::string is_text = "\x01\x01"s;
  c.send(publish(v5, "a", "\xFF", QoS::at_least_once, 1, is_text) +
         publish(v5, "a", "ok", QoS::at_least_once, 2, is_text));
  EXPECT_EQ(c.answers(), ack(PacketType::puback, 1, ReasonCode::payload_format_invalid, v5) +
                             ack(PacketType::puback, 2));
}

TEST_F(SessionLimitsTest, RefusesTopicsThatAreTooDeepOrTooLong) {
  limits_.max_topic_levels = 3;
  limits_.max_topic_bytes = 10;
  restart();
  Client c = connected("c", {.version = v5});
  c.send(publish(v5, "a/b/c", "x", QoS::at_least_once, 1) +
         publish(v5, "a/b/c/d", "x", QoS::at_least_once, 2) +
         publish(v5, "12345678901", "x", QoS::at_least_once, 3));
  EXPECT_EQ(c.answers(), ack(PacketType::puback, 1) +
                             ack(PacketType::puback, 2, ReasonCode::topic_name_invalid, v5) +
                             ack(PacketType::puback, 3, ReasonCode::topic_name_invalid, v5));
}

TEST_F(SessionLimitsTest, HoldsBackAClientThatPublishesTooFast) {
  limits_.max_publishes_per_second = 10;
  restart();
  Client c = connected("c");
  const std::string one = publish(v311, "a", "x", QoS::at_most_once, 0);
  std::string many;
  for (int i = 0; i < 15; ++i) many += one;
  EXPECT_EQ(c.send(many), Next::hold);
  EXPECT_EQ(c.consumed, 10 * one.size());
  c.ticks += std::chrono::milliseconds(300);
  EXPECT_EQ(c.send(many.substr(c.consumed)), Next::hold);
  EXPECT_EQ(received(), 13U);
  c.ticks += std::chrono::seconds(1);
  EXPECT_EQ(c.send(one + one), Next::read);
}

TEST_F(SessionLimitsTest, TellsA5ClientItsKeepAliveAndExpiry) {
  limits_.max_keep_alive = 30;
  limits_.max_session_expiry = std::chrono::seconds(100);
  restart();
  Client c(*broker_, 1);
  c.send(connect("c", {.version = v5, .properties = expiry(200)}));
  const std::string answer = c.answers();
  EXPECT_NE(answer.find("\x13\0\x1E"s), std::string::npos);
  EXPECT_NE(answer.find(expiry(100)), std::string::npos);
  EXPECT_EQ(c.tick(std::chrono::seconds(44)), Next::read);
  EXPECT_EQ(c.tick(std::chrono::seconds(45)), Next::close);
}

TEST_F(SessionLimitsTest, KeepsNoMoreSessionsThanItMay) {
  limits_.max_sessions = 1;
  restart();
  Client one = connected("one", {.clean = false});
  Client two(*broker_, 2);
  two.send(connect("two", {.version = v5, .properties = expiry(60)}));
  EXPECT_NE(two.answers().find(expiry(0)), std::string::npos);
  one.close();
  Client again(*broker_, 3);
  again.send(connect("one", {.clean = false}));
  EXPECT_EQ(again.answers(), connack_v311_present);
}

}  // namespace
}  // namespace rowgate::broker
