#include "gateway/security/remembered.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rowgate::security {
namespace {

constexpr Timestamp second(std::int64_t n) {
  return {n * 1'000'000};
}

TEST(remembered, what_was_added_is_there_until_its_time_is_over) {
  Remembered remembered(10, std::chrono::seconds(60));
  const auto digest = remembered.digest("ann", "secret", "hash");
  EXPECT_FALSE(remembered.contains(digest, second(0)));
  remembered.add(digest, second(0));
  EXPECT_TRUE(remembered.contains(digest, second(59)));
  EXPECT_FALSE(remembered.contains(digest, second(60)));
}

TEST(remembered, user_password_and_hash_all_count_and_do_not_run_together) {
  const Remembered remembered(10, std::chrono::seconds(60));
  const auto digest = remembered.digest("ann", "secret", "hash");
  EXPECT_EQ(remembered.digest("ann", "secret", "hash"), digest);
  EXPECT_NE(remembered.digest("anne", "secret", "hash"), digest);
  EXPECT_NE(remembered.digest("ann", "Secret", "hash"), digest);
  EXPECT_NE(remembered.digest("ann", "secret", "other"), digest);
  EXPECT_NE(remembered.digest("anns", "ecret", "hash"), digest);
  EXPECT_NE(remembered.digest("ann", "secrethash", ""), digest);
}

TEST(remembered, each_process_has_its_own_key) {
  const Remembered one(10, std::chrono::seconds(60));
  const Remembered other(10, std::chrono::seconds(60));
  EXPECT_NE(one.digest("a", "b", "c"), other.digest("a", "b", "c"));
}

TEST(remembered, the_oldest_makes_room) {
  Remembered remembered(2, std::chrono::seconds(60));
  const auto a = remembered.digest("a", "", "");
  const auto b = remembered.digest("b", "", "");
  const auto c = remembered.digest("c", "", "");
  remembered.add(a, second(0));
  remembered.add(b, second(1));
  remembered.add(c, second(2));
  EXPECT_FALSE(remembered.contains(a, second(3)));
  EXPECT_TRUE(remembered.contains(b, second(3)));
  EXPECT_TRUE(remembered.contains(c, second(3)));
}

TEST(remembered, one_that_is_added_again_stays_for_its_new_time) {
  Remembered remembered(10, std::chrono::seconds(60));
  const auto a = remembered.digest("a", "", "");
  remembered.add(a, second(0));
  remembered.add(a, second(30));
  remembered.add(remembered.digest("b", "", ""), second(61));  // throws out what is over
  EXPECT_TRUE(remembered.contains(a, second(89)));
  EXPECT_FALSE(remembered.contains(a, second(90)));
}

TEST(remembered, none_are_where_none_may_be) {
  Remembered remembered(0, std::chrono::seconds(60));
  remembered.add(remembered.digest("a", "", ""), second(0));
  EXPECT_FALSE(remembered.contains(remembered.digest("a", "", ""), second(0)));
}

}  // namespace
}  // namespace rowgate::security
