#include "gateway/topics/recent_messages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowgate::topics {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t start = 1'767'225'600 * second;

class recent_messages : public testing::Test {
 protected:
  static RecentMessages::Limits small() {
    RecentMessages::Limits limits;
    limits.topics = 3;
    limits.messages = 2;
    return limits;
  }
  void see(RecentMessages& recent, std::string_view topic, std::string_view payload,
           std::int64_t at, double weight = 1) {
    schema::Message message;
    message.topic = topic;
    message.payload = payload;
    message.received_at = {start + at};
    const auto lock = recent.lock();
    recent.see(message, weight);
  }
  static std::vector<std::string> payloads(const RecentMessages& recent, std::string_view topic) {
    std::vector<std::string> all;
    const auto found = recent.find(topic, {start});
    if (!found) return all;
    for (const KeptMessage& message : found->messages) all.push_back(message.payload);
    return all;
  }
  static std::vector<std::string> names(const RecentMessages& recent, std::string_view prefix,
                                        std::string_view after = "", std::size_t limit = 100) {
    std::vector<std::string> all;
    for (const SeenTopic& topic : recent.list(prefix, after, limit, {start})) {
      all.push_back(topic.topic);
    }
    return all;
  }
};

TEST_F(recent_messages, keeps_the_last_few_messages_of_a_topic_the_oldest_first) {
  RecentMessages recent(small());
  see(recent, "a", "1", 0);
  see(recent, "a", "2", second);
  see(recent, "a", "3", 2 * second);
  EXPECT_THAT(payloads(recent, "a"), testing::ElementsAre("2", "3"));
  EXPECT_EQ(recent.find("a", {start})->count, 3U);
}

TEST_F(recent_messages, fast_topic_is_counted_and_kept_now_and_then) {
  RecentMessages recent(small());
  for (int i = 0; i < 100; ++i) see(recent, "a", std::to_string(i), i * second / 1000);
  EXPECT_EQ(recent.find("a", {start})->count, 100U);
  EXPECT_THAT(payloads(recent, "a"), testing::ElementsAre("0", "1"))
      << "full at once, and then none within 100 ms";
  see(recent, "a", "later", second);
  EXPECT_THAT(payloads(recent, "a"), testing::ElementsAre("1", "later"));
}

TEST_F(recent_messages, topic_that_was_silent_longest_is_forgotten) {
  RecentMessages recent(small());
  for (const char* topic : {"a", "b", "c"}) see(recent, topic, "x", 0);
  see(recent, "a", "y", second);
  see(recent, "d", "x", second);
  EXPECT_THAT(names(recent, ""), testing::ElementsAre("a", "c", "d"));
}

TEST_F(recent_messages, memory_is_bounded_by_bytes) {
  RecentMessages::Limits limits;
  limits.bytes = 100'000;
  RecentMessages recent(limits);
  for (int i = 0; i < 1000; ++i) {
    see(recent, "topic/" + std::to_string(i), std::string(1000, 'x'), i * second);
  }
  EXPECT_LT(recent.size(), 100U);
  EXPECT_GT(recent.size(), 50U);
  EXPECT_TRUE(recent.find("topic/999", {start}));
}

TEST_F(recent_messages, message_that_is_too_long_is_counted_only) {
  RecentMessages recent;
  see(recent, "a", std::string(65'537, 'x'), 0);
  EXPECT_EQ(recent.find("a", {start})->count, 1U);
  EXPECT_TRUE(payloads(recent, "a").empty());
}

TEST_F(recent_messages, rate_is_that_of_the_last_ten_to_twenty_seconds) {
  RecentMessages recent;
  for (int i = 0; i < 200; ++i) see(recent, "a", "x", i * second / 10);  // 10 a second, 20 s
  EXPECT_NEAR(recent.find("a", {start + 20 * second - 1})->per_second, 10, 0.5);
  EXPECT_NEAR(recent.find("a", {start + 25 * second})->per_second, 5, 0.5);
  EXPECT_EQ(recent.find("a", {start + 60 * second})->per_second, 0);
}

TEST_F(recent_messages, message_may_stand_for_others) {
  RecentMessages recent;
  see(recent, "a", "x", 0, 2.5);
  see(recent, "a", "x", 0, 2.5);
  EXPECT_EQ(recent.find("a", {start})->count, 5U);
}

TEST_F(recent_messages, topics_are_listed_by_prefix_in_pages) {
  RecentMessages recent;
  for (const char* topic : {"b/2", "a/1", "b/1", "b/3", "c"}) see(recent, topic, "x", 0);
  EXPECT_THAT(names(recent, "b/"), testing::ElementsAre("b/1", "b/2", "b/3"));
  EXPECT_THAT(names(recent, "", "", 2), testing::ElementsAre("a/1", "b/1"));
  EXPECT_THAT(names(recent, "", "b/1", 2), testing::ElementsAre("b/2", "b/3"));
}

}  // namespace
}  // namespace rowgate::topics
