#include "schema/last_stored.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <random>

namespace rowgate::schema {
namespace {

using std::chrono::microseconds;

enum : std::size_t { time_column, id_column, value_column, columns };
using Row = std::array<Value, columns>;

Row row(std::int64_t seconds, std::int64_t id, std::optional<double> value) {
  Row r;
  r[time_column] = Value::of_timestamp({seconds * 1'000'000});
  r[id_column] = Value::of_bigint(id);
  if (value) r[value_column] = Value::of_double(*value);
  return r;
}

LastStored by_id(StoreRule rule, LastStored::Limits limits = {}) {
  return {{{value_column, rule}}, {{id_column}, false}, time_column, limits};
}

struct Sample {
  std::int64_t seconds;
  std::optional<double> value;
};

// What is not stored is what the row stored last says anyway.
void must_agree(const Sample& left_out, const Sample& last, const StoreRule& rule) {
  ASSERT_EQ(left_out.value.has_value(), last.value.has_value());
  ASSERT_LT(std::abs(left_out.seconds - last.seconds) * 1'000'000, rule.at_least_every->count());
  if (!last.value) return;
  const double band = rule.percent ? std::abs(*last.value) * rule.deadband / 100 : rule.deadband;
  ASSERT_LE(std::abs(*left_out.value - *last.value), band * (1 + 1e-12));
}

// Messages of several rows, some of which are taken back, retries that forget all, and more series
// than there is room for.
TEST(LastStored, what_is_stored_tells_the_whole_series_within_the_deadband) {
  std::mt19937 random(7);
  const auto one_in = [&](unsigned n) { return random() % n == 0; };
  for (const bool percent : {false, true}) {
    const StoreRule rule{percent ? 5.0 : 1.5, percent, microseconds(60'000'000)};
    LastStored last = by_id(rule, {.series = 8, .bytes = 1U << 20, .text = 256});
    std::map<std::int64_t, Sample> stored;  // by id: the last row that stayed
    std::map<std::int64_t, double> walk;
    std::size_t kept = 0;
    std::size_t all = 0;
    for (std::int64_t second = 0; second < 40'000; ++second) {
      if (one_in(500)) last.forget();
      const auto before = stored;
      const bool refused = one_in(20);
      last.begin_message();
      for (std::uint32_t rows = random() % 4; rows > 0; --rows) {
        const auto id = static_cast<std::int64_t>(random() % (one_in(50) ? 30 : 5));
        walk[id] += static_cast<double>(random() % 100) / 100 - 0.495;
        const std::int64_t late = one_in(30) ? 100 : 0;
        const Sample now{second - late,
                         one_in(40) ? std::nullopt : std::optional<double>(walk[id])};
        ++all;
        if (last.take(row(now.seconds, id, now.value), "t", false)) {
          stored[id] = now;
          ++kept;
        } else {
          ASSERT_TRUE(stored.contains(id));
          ASSERT_NO_FATAL_FAILURE(must_agree(now, stored[id], rule));
        }
      }
      if (refused) {
        last.take_back();
        stored = before;
      }
      ASSERT_LE(last.size(), 8U);
    }
    EXPECT_LT(kept, all / 2);
  }
}

TEST(LastStored, a_change_of_exactly_the_deadband_is_none) {
  LastStored last = by_id({.deadband = 0.1});
  EXPECT_TRUE(last.take(row(0, 1, 1.0), "t", false));
  EXPECT_FALSE(last.take(row(0, 1, 1.1), "t", false));
  EXPECT_TRUE(last.take(row(0, 1, 1.2), "t", false));
  EXPECT_FALSE(last.take(row(0, 1, 1.3), "t", false));
}

TEST(LastStored, a_bigint_beyond_2_to_the_53_is_compared_whole) {
  LastStored last({{1, {.deadband = 1}}}, {{}, true}, 0);
  const auto at = [](std::int64_t v) {
    return std::array{Value::of_timestamp({0}), Value::of_bigint(v)};
  };
  EXPECT_TRUE(last.take(at(9'007'199'254'740'993), "t", false));
  EXPECT_FALSE(last.take(at(9'007'199'254'740'994), "t", false));
  EXPECT_TRUE(last.take(at(9'007'199'254'740'995), "t", false));
  EXPECT_TRUE(last.take(at(INT64_MIN), "t", false));
  EXPECT_TRUE(last.take(at(INT64_MAX), "t", false));
}

TEST(LastStored, keeps_texts_of_its_own_and_takes_long_ones_for_changed) {
  LastStored last({{1, {}}}, {{}, true}, 0);
  const auto take = [&](const std::string& text) {
    return last.take(std::array{Value::of_timestamp({0}), Value::of_bytes(Type::text, text)}, "t",
                     false);
  };
  EXPECT_TRUE(take("on"));
  EXPECT_FALSE(take("on"));
  EXPECT_TRUE(take("off"));
  EXPECT_TRUE(take(std::string(257, 'x')));
  EXPECT_TRUE(take(std::string(257, 'x')));
  EXPECT_TRUE(take("off"));
}

TEST(LastStored, forgets_the_series_not_seen_for_longest_beyond_its_limits) {
  LastStored last = by_id({}, {.series = 2, .bytes = 1U << 20, .text = 256});
  EXPECT_TRUE(last.take(row(0, 1, 1.0), "t", false));
  EXPECT_TRUE(last.take(row(0, 2, 1.0), "t", false));
  EXPECT_FALSE(last.take(row(0, 1, 1.0), "t", false));
  EXPECT_TRUE(last.take(row(0, 3, 1.0), "t", false));
  EXPECT_FALSE(last.take(row(0, 1, 1.0), "t", false));
  EXPECT_TRUE(last.take(row(0, 2, 1.0), "t", false));
  LastStored small({{1, {}}}, {{}, true}, 0, {.series = 1000, .bytes = 4000, .text = 256});
  for (int i = 0; i < 100; ++i) {
    small.take(std::array{Value::of_timestamp({0}), Value::of_bigint(1)},
               std::string(500, static_cast<char>('a' + i % 26)) + std::to_string(i), false);
  }
  EXPECT_LE(small.size(), 8U);
  EXPECT_GE(small.size(), 1U);
}

TEST(LastStored, a_topic_is_not_another_with_a_part_of_the_key) {
  LastStored last({{value_column, {}}}, {{id_column}, true}, time_column);
  EXPECT_TRUE(last.take(row(0, 1, 1.0), "ab", false));
  EXPECT_TRUE(last.take(row(0, 1, 1.0), "a", false));
  EXPECT_TRUE(last.take(row(0, 2, 1.0), "a", false));
  EXPECT_FALSE(last.take(row(0, 1, 1.0), "ab", false));
}

}  // namespace
}  // namespace rowgate::schema
