#include "gateway/broker/retained.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace rowgate::broker {
namespace {

std::shared_ptr<const LiveMessage> message(std::string topic, std::string payload,
                                           std::optional<Timestamp> expires = {}) {
  return std::make_shared<LiveMessage>(LiveMessage{
      std::move(topic), std::move(payload), {}, mqtt::QoS::at_least_once, true, expires});
}

bool set(Retained& retained, std::string topic, std::string payload,
         std::optional<Timestamp> expires = {}) {
  const auto held = retained.hold();
  return retained.set(message(std::move(topic), std::move(payload), expires));
}

std::vector<std::string> topics(const Retained& retained, std::string_view filter,
                                Timestamp now = {}) {
  std::vector<std::shared_ptr<const LiveMessage>> found;
  retained.match(filter, now, found);
  std::vector<std::string> names;
  for (const auto& m : found) names.push_back(m->topic);
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

TEST(Retained, AreFoundByFiltersOfEveryKind) {
  Retained retained({});
  for (const char* topic : {"a", "a/b", "a/b/c", "b/b", "/b", "$SYS/up"}) set(retained, topic, "x");
  EXPECT_EQ(topics(retained, "a/b"), (Names{"a/b"}));
  EXPECT_EQ(topics(retained, "+/b"), (Names{"/b", "a/b", "b/b"}));
  EXPECT_EQ(topics(retained, "a/#"), (Names{"a", "a/b", "a/b/c"}));
  EXPECT_EQ(topics(retained, "#"), (Names{"/b", "a", "a/b", "a/b/c", "b/b"}));
  EXPECT_EQ(topics(retained, "$SYS/#"), (Names{"$SYS/up"}));
  EXPECT_EQ(topics(retained, "+/up"), Names{});
  EXPECT_EQ(topics(retained, "a/b/c/d"), Names{});
}

TEST(Retained, HaveOneMessageATopicAndAnEmptyOneClearsIt) {
  Retained retained({});
  EXPECT_TRUE(set(retained, "a/b", "1"));
  EXPECT_TRUE(set(retained, "a/b", "22"));
  EXPECT_EQ(retained.size(), 1U);
  EXPECT_TRUE(retained.has("a/b"));
  EXPECT_FALSE(retained.has("a"));
  EXPECT_TRUE(set(retained, "a/b", ""));
  EXPECT_TRUE(set(retained, "never/set", ""));
  EXPECT_EQ(retained.size(), 0U);
  EXPECT_EQ(retained.bytes(), 0U);
  EXPECT_EQ(topics(retained, "#"), Names{});
}

TEST(Retained, AreBoundedInNumber) {
  Retained retained({.messages = 2});
  EXPECT_TRUE(set(retained, "a", "1"));
  EXPECT_TRUE(set(retained, "b", "1"));
  EXPECT_FALSE(set(retained, "c", "1"));
  EXPECT_TRUE(set(retained, "a", "2"));
  EXPECT_EQ(topics(retained, "#"), (Names{"a", "b"}));
}

TEST(Retained, AreBoundedInBytesAndAnOldMessageDoesNotStayForANewOne) {
  Retained retained({.messages = 10, .bytes = 2000});
  EXPECT_TRUE(set(retained, "a", "1"));
  EXPECT_FALSE(set(retained, "a", std::string(3000, 'x')));
  EXPECT_FALSE(retained.has("a"));
  EXPECT_EQ(retained.bytes(), 0U);
}

TEST(Retained, ATopicOfVeryManyLevelsIsNotKept) {
  Retained retained({});
  EXPECT_FALSE(set(retained, std::string(60'000, '/'), "x"));
  EXPECT_EQ(retained.size(), 0U);
}

TEST(Retained, ExpireAndAreThenForgotten) {
  Retained retained({});
  set(retained, "short", "x", Timestamp{100});
  set(retained, "long", "x", Timestamp{200});
  EXPECT_EQ(topics(retained, "#", {99}), (Names{"long", "short"}));
  EXPECT_EQ(topics(retained, "#", {100}), (Names{"long"}));
  EXPECT_EQ(retained.expire({100}), (Names{"short"}));
  EXPECT_EQ(retained.size(), 1U);
  EXPECT_EQ(retained.expire({100}), Names{});
}

}  // namespace
}  // namespace rowgate::broker
