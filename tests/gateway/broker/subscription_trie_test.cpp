#include "gateway/broker/subscription_trie.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace rowgate::broker {
namespace {

using mqtt::QoS;

std::vector<std::string> who(SubscriptionTrie& trie, std::string_view topic,
                             std::string_view publisher = "", storage::Position at = {100}) {
  std::vector<Match> found;
  trie.match(topic, publisher, at, found);
  std::vector<std::string> names;
  for (const Match& m : found) names.push_back(m.receiver->name);
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

TEST(SubscriptionTrie, MatchesAsTheSpecificationDoes) {
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
    SubscriptionTrie trie;
    Receiver receiver("s");
    trie.add(filter, receiver, {}, {});
    EXPECT_EQ(!who(trie, topic).empty(), naive_match(filter, topic)) << filter << " | " << topic;
  }
}

TEST(SubscriptionTrie, MergesOverlappingFiltersOfOneReceiver) {
  SubscriptionTrie trie;
  Receiver s("s"), other("other");
  trie.add("a/+", s, {.qos = QoS::at_most_once, .identifier = 1}, {});
  trie.add("a/b", other, {.qos = QoS::at_least_once}, {});
  trie.add("a/#", s, {.qos = QoS::exactly_once, .identifier = 2}, {});
  std::vector<Match> found;
  trie.match("a/b", "", {}, found);
  ASSERT_EQ(found.size(), 2U);
  const Match& m = found[0].receiver == &s ? found[0] : found[1];
  EXPECT_EQ(m.qos, QoS::exactly_once);
  EXPECT_EQ(m.identifiers.size(), 2U);
  trie.match("a/b", "", {}, found);  // and the next match begins anew
  EXPECT_EQ(found.size(), 2U);
}

TEST(SubscriptionTrie, LeavesNothingBehindWhenRemoved) {
  SubscriptionTrie trie;
  Receiver s("s");
  EXPECT_TRUE(trie.add("a/b/c", s, {}, {}));
  EXPECT_FALSE(trie.add("a/b/c", s, {}, {}));
  EXPECT_TRUE(trie.remove("a/b/c", s));
  EXPECT_FALSE(trie.remove("a/b/c", s));
  EXPECT_TRUE(trie.empty());
  EXPECT_TRUE(who(trie, "a/b/c").empty());
}

TEST(SubscriptionTrie, HonoursNoLocal) {
  SubscriptionTrie trie;
  Receiver me("me");
  trie.add("a", me, {.no_local = true}, {});
  EXPECT_TRUE(who(trie, "a", "me").empty());
  EXPECT_EQ(who(trie, "a", "you").size(), 1U);
}

TEST(SubscriptionTrie, TakesMessagesFromTheSubscriptionOn) {
  SubscriptionTrie trie;
  Receiver s("s");
  trie.add("a", s, {}, {50});
  EXPECT_TRUE(who(trie, "a", "", {49}).empty());
  EXPECT_EQ(who(trie, "a", "", {50}).size(), 1U);
  trie.add("a", s, {.qos = QoS::exactly_once}, {90});  // replaced: none in between is lost
  EXPECT_EQ(who(trie, "a", "", {60}).size(), 1U);
}

}  // namespace
}  // namespace rowgate::broker
