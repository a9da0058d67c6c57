#include "schema/number.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace rowgate::schema {
namespace {

TEST(Number, knows_jsons_grammar) {
  for (const std::string_view yes :
       {"0", "-0", "1", "-12", "1.5", "0.5", "1e5", "1E+5", "1.25e-07", "10", "100.001"}) {
    EXPECT_TRUE(is_json_number(yes)) << yes;
    EXPECT_TRUE(is_number(yes)) << yes;
  }
  for (const std::string_view no :
       {"",   "-",  "+1",   "01",  "-01", ".5",       "1.",  "1.e5", "1e",    "1e+", "1 ",
        " 1", "1x", "0x10", "NaN", "nan", "Infinity", "inf", "--1",  "1e5.5", "1,5"}) {
    EXPECT_FALSE(is_json_number(no)) << no;
  }
}

TEST(Number, in_text_may_have_a_plus_leading_zeros_or_no_whole_part) {
  for (const std::string_view yes : {"+1", "007", "-007.50", ".5", "-.5", "+.5e3"}) {
    EXPECT_TRUE(is_number(yes)) << yes;
  }
  for (const std::string_view no : {"", "+", ".", "1.", "+-1", "nan", "inf", "1e", "e5", "0x1"}) {
    EXPECT_FALSE(is_number(no)) << no;
  }
}

TEST(Number, becomes_the_nearest_double) {
  EXPECT_EQ(to_double("0.1"), 0.1);
  EXPECT_EQ(to_double("+7.5"), 7.5);
  EXPECT_EQ(to_double("-0"), 0.0);
  EXPECT_EQ(to_double("1.7976931348623157e308"), 1.7976931348623157e308);
}

// What is short goes a shorter way; both ways lead to the same number.
TEST(Number, the_short_way_and_the_long_one_agree) {
  std::mt19937_64 random(20260521);
  for (int i = 0; i < 200'000; ++i) {
    std::string text = random() % 2 == 0 ? "-" : "";
    for (std::uint64_t n = random() % 19 + 1; n > 0; --n) {
      text += static_cast<char>('0' + random() % 10);
    }
    if (random() % 3 != 0) {
      text += '.';
      for (std::uint64_t n = random() % 19 + 1; n > 0; --n) {
        text += static_cast<char>('0' + random() % 10);
      }
    }
    const std::string longer = text + "e0";
    ASSERT_TRUE(is_number(text) && is_number(longer)) << text;
    ASSERT_EQ(to_double(text), to_double(longer)) << text;
    for (const int power : {-20, -9, -3, 0, 3, 6, 20}) {
      const auto a = to_scaled(text, power);
      const auto b = to_scaled(longer, power);
      ASSERT_EQ(a.has_value(), b.has_value()) << text << " * 10^" << power;
      if (!a) continue;
      ASSERT_EQ(a->value, b->value) << text << " * 10^" << power;
      ASSERT_EQ(a->exact, b->exact) << text << " * 10^" << power;
    }
  }
}

TEST(Number, too_large_for_a_double_is_refused_and_too_small_is_zero) {
  EXPECT_EQ(to_double("1e309"), std::nullopt);
  EXPECT_EQ(to_double("-1e999999999999"), std::nullopt);
  EXPECT_EQ(to_double("0.001e400"), std::nullopt);
  EXPECT_EQ(to_double("1e-400"), 0.0);
  EXPECT_EQ(to_double("0." + std::string(400, '0') + "1"), 0.0);
  EXPECT_EQ(to_double("-1e-99999999999999999999"), 0.0);
  EXPECT_TRUE(std::signbit(*to_double("-1e-400")));
}

TEST(Number, scales_exactly) {
  EXPECT_EQ(to_scaled("1795244979.123456", 6)->value, 1795244979123456);
  EXPECT_TRUE(to_scaled("1795244979.123456", 6)->exact);
  EXPECT_FALSE(to_scaled("1795244979.1234567", 6)->exact);
  EXPECT_EQ(to_scaled("1795244979.1234567", 6)->value, 1795244979123456);
  EXPECT_EQ(to_scaled("1.5e3", 0)->value, 1500);
  EXPECT_EQ(to_scaled("-1999", -3)->value, -1);
  EXPECT_EQ(to_scaled("0e999999", 6)->value, 0);
  EXPECT_TRUE(to_scaled("3.000", 0)->exact);
  EXPECT_EQ(to_scaled("1e-999999999999", 0)->value, 0);
}

TEST(Number, scaled_beyond_64_bits_is_refused) {
  EXPECT_EQ(to_scaled("9223372036854775807", 0)->value, INT64_MAX);
  EXPECT_EQ(to_scaled("9223372036854775808", 0), std::nullopt);
  EXPECT_EQ(to_scaled("-9223372036854775808", 0)->value, INT64_MIN);
  EXPECT_EQ(to_scaled("-9223372036854775809", 0), std::nullopt);
  EXPECT_EQ(to_scaled("9223372036854775807", 1), std::nullopt);
  EXPECT_EQ(to_scaled("1e99999", 0), std::nullopt);
}

std::string decimal(std::string_view text) {
  std::string out;
  EXPECT_TRUE(to_decimal(text, out)) << text;
  return out;
}

TEST(Number, becomes_a_decimal_without_exponent) {
  EXPECT_EQ(decimal("1.50"), "1.50");
  EXPECT_EQ(decimal("-1.50"), "-1.50");
  EXPECT_EQ(decimal("+007"), "7");
  EXPECT_EQ(decimal("-0.0"), "0.0");
  EXPECT_EQ(decimal("1.5e3"), "1500");
  EXPECT_EQ(decimal("1.2345e2"), "123.45");
  EXPECT_EQ(decimal("12e-4"), "0.0012");
  EXPECT_EQ(decimal(".5"), "0.5");
  EXPECT_EQ(decimal("0"), "0");
  EXPECT_EQ(decimal("0e5"), "0");
  std::string out;
  EXPECT_FALSE(to_decimal("1e1001", out));
  EXPECT_FALSE(to_decimal("1e999999999999", out));
  EXPECT_FALSE(to_decimal(std::string(1001, '1'), out));
}

TEST(Number, keeps_its_value_through_a_decimal) {
  std::mt19937 random(3);
  for (int i = 0; i < 5'000; ++i) {
    const double want =
        std::ldexp(static_cast<double>(random()) - 2e9, static_cast<int>(random() % 120) - 60);
    char text[64];
    std::snprintf(text, sizeof text, "%.17g", want);
    ASSERT_EQ(to_double(text), want);
    ASSERT_EQ(to_double(decimal(text)), want) << text;
  }
}

}  // namespace
}  // namespace rowgate::schema
