#include "gateway/http/query.hpp"

#include <gtest/gtest.h>

namespace rowgate::http {
namespace {

TEST(query, values_are_percent_decoded) {
  const Query query("/api/v1/topics?prefix=site%2Fa+b%c3%a4&limit=10#end");
  EXPECT_EQ(query.text("prefix"), "site/a b\xc3\xa4");
  EXPECT_EQ(query.text("limit"), "10");
  EXPECT_EQ(query.text("other"), std::nullopt);
}

TEST(query, what_is_no_escape_stays_as_it_is) {
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
}

TEST(query, target_without_a_question_mark_has_no_values) {
  EXPECT_EQ(Query("/api/v1/topics").text("api"), std::nullopt);
  EXPECT_EQ(Query("/a?&&=x&=").text("x"), std::nullopt);
}

TEST(query, number_outside_its_range_is_none) {
  const Query query("?a=5&b=x&c=&d=99999999999999999999");
  EXPECT_EQ(query.number("a", 1, 1, 5), 5U);
  EXPECT_EQ(query.number("a", 1, 1, 4), std::nullopt);
  EXPECT_EQ(query.number("b", 1, 1, 4), std::nullopt);
  EXPECT_EQ(query.number("c", 1, 1, 4), std::nullopt);
  EXPECT_EQ(query.number("d", 1, 1, 4), std::nullopt);
  EXPECT_EQ(query.number("e", 3, 1, 4), 3U);
}

TEST(query, flag_is_set_by_its_name_alone) {
  const Query query("?a&b=true&c=1&d=false");
  EXPECT_TRUE(query.flag("a"));
  EXPECT_TRUE(query.flag("b"));
  EXPECT_TRUE(query.flag("c"));
  EXPECT_FALSE(query.flag("d"));
  EXPECT_FALSE(query.flag("e"));
}

}  // namespace
}  // namespace rowgate::http
