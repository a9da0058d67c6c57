#include "gateway/broker/sys_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "gateway/broker/dispatch_inbox.hpp"
#include "gateway/broker/retained.hpp"

namespace rowgate::broker {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::Key;
using testing::Not;
using testing::Pair;

struct sys_topics : testing::Test {
  static constexpr SysTopics::Ticks start{};

  void count(Traffic what, std::uint64_t n) { counts.traffic[static_cast<std::size_t>(what)] = n; }
  /// What was published since the last call.
  std::map<std::string, std::string> published() { return std::exchange(all, {}); }

  std::map<std::string, std::string> all;
  SysTopics topics{
      [this](std::string_view topic, std::string payload) { all[std::string(topic)] = payload; },
      "0.1.0", start};
  SysCounts counts;
};

TEST_F(sys_topics, have_mosquittos_names_and_its_text) {
  counts.clients_connected = 3;
  counts.clients_disconnected = 2;
  counts.retained_messages = 7;
  count(Traffic::bytes_received, 1234);
  topics.update(counts, start + seconds(61));
  const auto said = published();
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/version", "rowgate version 0.1.0")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/uptime", "61 seconds")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/clients/total", "5")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/clients/connected", "3")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/clients/disconnected", "2")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/clients/maximum", "5")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/retained messages/count", "7")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/bytes/received", "1234")));
  for (const char* topic : {"clients/expired",
                            "messages/received",
                            "messages/sent",
                            "messages/stored",
                            "publish/messages/received",
                            "publish/messages/sent",
                            "publish/messages/dropped",
                            "publish/bytes/received",
                            "publish/bytes/sent",
                            "bytes/sent",
                            "subscriptions/count",
                            "shared_subscriptions/count",
                            "store/messages/count",
                            "store/messages/bytes",
                            "heap/current",
                            "heap/maximum",
                            "load/messages/received/1min",
                            "load/messages/sent/15min",
                            "load/publish/received/5min",
                            "load/publish/sent/1min",
                            "load/publish/dropped/1min",
                            "load/bytes/received/1min",
                            "load/bytes/sent/1min",
                            "load/sockets/1min",
                            "load/connections/15min"}) {
    EXPECT_THAT(said, Contains(Key(std::string("$SYS/broker/") + topic)));
  }
  EXPECT_THAT(said, Contains(Pair("$SYS/rowgate/ledger/pending", "0")));
}

TEST_F(sys_topics, are_published_when_they_have_changed) {
  topics.update(counts, start + seconds(10));
  published();
  counts.clients_connected = 1;
  topics.update(counts, start + seconds(20));
  const auto said = published();
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/uptime", "20 seconds")));
  EXPECT_THAT(said, Contains(Pair("$SYS/broker/clients/connected", "1")));
  EXPECT_THAT(said, Not(Contains(Key("$SYS/broker/version"))));
  EXPECT_THAT(said, Not(Contains(Key("$SYS/broker/bytes/sent"))));
}

TEST_F(sys_topics, remember_the_most_clients_there_were) {
  counts.clients_connected = 5;
  topics.update(counts, start + seconds(10));
  counts.clients_connected = 1;
  topics.update(counts, start + seconds(20));
  EXPECT_THAT(published(), Contains(Pair("$SYS/broker/clients/maximum", "5")));
}

TEST_F(sys_topics, loads_are_moving_averages_of_what_happens_in_a_minute) {
  // 10 a second, for long: 600 a minute.
  for (int i = 1; i <= 1000; ++i) {
    count(Traffic::publishes_received, static_cast<std::uint64_t>(i) * 100);
    topics.update(counts, start + seconds(i * 10));
  }
  auto said = published();
  EXPECT_EQ(said["$SYS/broker/load/publish/received/1min"], "600.00");
  EXPECT_EQ(said["$SYS/broker/load/publish/received/15min"], "599.99");
  // Then nothing for a minute: 1/e of it is left of the shortest.
  topics.update(counts, start + seconds(10'060));
  said = published();
  EXPECT_EQ(said["$SYS/broker/load/publish/received/1min"], "220.73");
  EXPECT_EQ(said["$SYS/broker/load/publish/received/5min"], "491.24");
}

TEST(sys_topics_for_subscribers, are_retained_and_sent) {
  Retained retained({});
  DispatchInbox inbox;
  publish_retained(retained, inbox)("$SYS/broker/uptime", "1 seconds");
  std::vector<std::shared_ptr<const LiveMessage>> found;
  retained.match("$SYS/#", {}, found);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]->payload, "1 seconds");
  EXPECT_EQ(found[0]->qos, mqtt::QoS::at_most_once);
  std::vector<DispatchMail> mail;
  inbox.take(mail);
  ASSERT_EQ(mail.size(), 1U);
  EXPECT_EQ(std::get<std::shared_ptr<const LiveMessage>>(mail[0])->topic, "$SYS/broker/uptime");
  found.clear();
  retained.match("#", {}, found);
  EXPECT_TRUE(found.empty()) << "a wildcard takes no $ topic [MQTT-4.7.2-1]";
}

}  // namespace
}  // namespace rowgate::broker
