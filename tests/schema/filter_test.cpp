#include "schema/filter.hpp"

#include <gtest/gtest.h>

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;
using Check = Condition::Test;

Field field(Kind kind, std::string_view text = {}) {
  Field f;
  f.kind = kind;
  f.text = text;
  return f;
}

Condition is(Literal value, Check test = Check::is) {
  return {.source = FromField{}, .test = test, .values = {std::move(value)}};
}

TEST(Filter, what_is_absent_is_nothing) {
  for (const Kind kind : {Kind::absent, Kind::null}) {
    EXPECT_FALSE(holds(is(std::string("null")), field(kind, "null")));
    EXPECT_TRUE(holds(is(std::string("null"), Check::is_not), field(kind)));
    EXPECT_TRUE(holds(is(std::string("null"), Check::not_in), field(kind)));
    EXPECT_FALSE(holds({.source = FromField{}, .test = Check::exists}, field(kind)));
    EXPECT_TRUE(holds({.source = FromField{}, .test = Check::absent}, field(kind)));
    EXPECT_FALSE(holds({.source = FromField{}, .test = Check::range}, field(kind)));
  }
}

TEST(Filter, a_json_string_is_no_number_but_text_reads_as_one) {
  EXPECT_TRUE(holds(is(std::int64_t{5}), field(Kind::number, "5.0")));
  EXPECT_TRUE(holds(is(std::int64_t{5}), field(Kind::text, "05")));
  EXPECT_FALSE(holds(is(std::int64_t{5}), field(Kind::string, "5")));
  EXPECT_TRUE(holds(is(std::string("5")), field(Kind::string, "5")));
  EXPECT_FALSE(holds(is(std::string("5")), field(Kind::number, "5")));
  EXPECT_FALSE(holds(is(true), field(Kind::string, "true")));
  EXPECT_TRUE(holds(is(true), field(Kind::text, "true")));
}

TEST(Filter, whole_numbers_are_compared_exactly) {
  const Condition big = is(std::int64_t{9'007'199'254'740'993});
  EXPECT_TRUE(holds(big, field(Kind::number, "9007199254740993")));
  EXPECT_FALSE(holds(big, field(Kind::number, "9007199254740992")));
  EXPECT_FALSE(holds(big, field(Kind::number, "9007199254740993.5")));
  EXPECT_TRUE(holds(is(0.5), field(Kind::number, "5e-1")));
}

TEST(Filter, strings_are_compared_without_their_escapes) {
  Field escaped = field(Kind::string, "caf\\u00e9");
  escaped.escaped = true;
  EXPECT_TRUE(holds(is(std::string("caf\xc3\xa9")), escaped));
  EXPECT_FALSE(holds(is(std::string("caf\\u00e9")), escaped));
}

TEST(Filter, a_range_takes_numbers_only_and_its_ends_as_it_says) {
  Condition range{.source = FromField{}, .test = Check::range};
  range.least = Condition::Bound{1.0, false};
  range.most = Condition::Bound{2.0, true};
  EXPECT_FALSE(holds(range, field(Kind::number, "1")));
  EXPECT_TRUE(holds(range, field(Kind::number, "1.0001")));
  EXPECT_TRUE(holds(range, field(Kind::number, "2")));
  EXPECT_FALSE(holds(range, field(Kind::number, "2.0001")));
  EXPECT_FALSE(holds(range, field(Kind::string, "1.5")));
  EXPECT_FALSE(holds(range, field(Kind::object, "{}")));
  EXPECT_FALSE(holds(range, field(Kind::boolean, "true")));
  EXPECT_FALSE(holds(range, field(Kind::number, "1e999")));
}

}  // namespace
}  // namespace rowgate::schema
