#include "schema/topic_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace rowgate::schema {
namespace {

using Captures = std::vector<std::string>;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> levels(1);
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back().push_back(c);
    }
  }
  return levels;
}

// The rules of the header, said as plainly as possible.
std::optional<Captures> naive_match(std::string_view pattern, std::string_view topic) {
  const auto want = split(pattern);
  const auto have = split(topic);
  const auto wild = [](const std::string& l) { return l == "+" || l == "#" || l.starts_with("{"); };
  if (topic.starts_with("$") && wild(want[0])) return std::nullopt;
  Captures captures;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const bool captured = want[i].starts_with("{");
    if (want[i] == "#" || want[i].ends_with("...}")) {
      std::string rest;
      for (std::size_t k = i; k < have.size(); ++k) rest += (k > i ? "/" : "") + have[k];
      if (captured) captures.push_back(rest);
      return captures;
    }
    if (i >= have.size()) return std::nullopt;
    if (captured) captures.push_back(have[i]);
    if (!wild(want[i]) && want[i] != have[i]) return std::nullopt;
  }
  if (have.size() != want.size()) return std::nullopt;
  return captures;
}

Captures texts(const TopicMatch& match, std::string_view topic) {
  Captures texts;
  for (const Capture& capture : match.captures) texts.emplace_back(capture.of(topic));
  return texts;
}

std::string random_path(std::mt19937& random, const std::vector<std::string>& words,
                        const std::vector<std::string>& last_words) {
  std::string path;
  const std::size_t levels = 1 + random() % 4;
  for (std::size_t i = 0; i < levels; ++i) {
    if (i > 0) path += "/";
    const auto& from = i + 1 == levels && random() % 3 == 0 ? last_words : words;
    std::string word = from[random() % from.size()];
    if (word == "{}") word = "{c" + std::to_string(i) + "}";
    path += word;
  }
  return path;
}

TEST(TopicIndex, agrees_with_a_naive_matcher_on_random_patterns) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> patterns;
    TopicIndex index;
    for (std::uint32_t i = 0; i < 30; ++i) {
      patterns.push_back(random_path(random, {"a", "b", "", "$s", "+", "{}"}, {"#", "{rest...}"}));
      if (patterns.back().empty()) patterns.back() = "/";
      ASSERT_TRUE(parse_pattern(patterns.back())) << patterns.back();
      index.add(patterns.back(), i);
    }
    for (int n = 0; n < 100; ++n) {
      const std::string topic = random_path(random, {"a", "b", "c", "", "$s"}, {"a"});
      const auto found = index.match(topic);
      std::size_t next = 0;
      for (std::uint32_t i = 0; i < patterns.size(); ++i) {
        const auto want = naive_match(patterns[i], topic);
        const bool have = next < found.size() && found[next].mapping == i;
        ASSERT_EQ(have, want.has_value()) << patterns[i] << " against " << topic;
        if (!have) continue;
        const Captures captures = texts(found[next], topic);
        ASSERT_EQ(captures, *want) << patterns[i] << " against " << topic;
        ++next;
      }
      ASSERT_EQ(next, found.size());
      ASSERT_EQ(index.matches(topic), !found.empty());
    }
  }
}

TEST(TopicIndex, captures_are_places_in_the_topic) {
  TopicIndex index;
  index.add("site/{site}/{rest...}", 0);
  const std::string topic = "site/berlin/a/b";
  const auto found = index.match(topic);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].captures[0].begin, 5U);
  EXPECT_EQ(found[0].captures[0].of(topic), "berlin");
  EXPECT_EQ(found[0].captures[1].of(topic), "a/b");
}

TEST(TopicIndex, captures_of_deep_topics) {
  std::string pattern;
  std::string topic;
  Captures want;
  for (int level = 0; level < 40; ++level) {
    pattern += "{l" + std::to_string(level) + "}/";
    topic += std::to_string(level) + "/";
    want.emplace_back(std::to_string(level));
  }
  TopicIndex index;
  index.add(pattern + "{rest...}", 0);
  index.add(pattern + "{last}", 1);
  want.emplace_back("end");
  topic += "end";
  const auto found = index.match(topic);
  ASSERT_EQ(found.size(), 2U);
  for (const TopicMatch& match : found) {
    EXPECT_EQ(texts(match, topic), want);
  }
}

TEST(TopicIndex, a_rest_that_is_not_there_is_empty) {
  TopicIndex index;
  index.add("a/{rest...}", 0);
  EXPECT_EQ(index.match("a").at(0).captures.at(0).of("a"), "");
  EXPECT_EQ(index.match("a/").at(0).captures.at(0).of("a/"), "");
}

TEST(TopicIndex, add_all_takes_topics_that_begin_with_a_dollar_too) {
  TopicIndex index;
  index.add_all(0);
  EXPECT_TRUE(index.matches("$SYS/x"));
  EXPECT_EQ(index.match("a").size(), 1U);
}

TEST(TopicIndex, memory_of_earlier_matches_is_not_left_in_the_result) {
  TopicIndex index;
  index.add("a/{x}", 0);
  index.add("a/#", 1);
  std::vector<TopicMatch> found;
  index.match("a/1", found);
  EXPECT_EQ(found.size(), 2U);
  index.match("b", found);
  EXPECT_TRUE(found.empty());
}

TEST(Pattern, names_its_captures_in_order) {
  EXPECT_EQ(*parse_pattern("a/{x}/+/{y-1}/{z_2...}"), (Captures{"x", "y-1", "z_2"}));
  EXPECT_EQ(*parse_pattern("#"), Captures{});
  EXPECT_EQ(*parse_pattern("/"), Captures{});
}

TEST(Pattern, refused_says_where) {
  const auto offset = [](std::string_view pattern) -> int {
    const auto parsed = parse_pattern(pattern);
    if (parsed) return -1;
    EXPECT_FALSE(parsed.error().message.empty());
    return static_cast<int>(parsed.error().offset);
  };
  EXPECT_EQ(offset(""), 0);
  EXPECT_EQ(offset("a/b+"), 3);
  EXPECT_EQ(offset("a/#/b"), 2);
  EXPECT_EQ(offset("a/{x...}/b"), 2);
  EXPECT_EQ(offset("a/x{y}"), 3);
  EXPECT_EQ(offset("a/{y}x"), 2);
  EXPECT_EQ(offset("a/{}"), 3);
  EXPECT_EQ(offset("a/{x y}"), 3);
  EXPECT_EQ(offset("{x}/{x}"), 4);
  EXPECT_EQ(offset("a/}"), 2);
  EXPECT_EQ(offset(std::string_view("a\0b", 3)), 0);
  EXPECT_EQ(offset("\xff"), 0);
}

}  // namespace
}  // namespace rowgate::schema
