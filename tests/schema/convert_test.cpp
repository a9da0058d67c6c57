#include "schema/convert.hpp"

#include <gtest/gtest.h>

#include <random>

#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

Field field(Kind kind, std::string_view text) {
  Field f;
  f.kind = kind;
  f.text = text;
  return f;
}

ColumnRule rule(Type type) {
  ColumnRule r;
  r.type = type;
  return r;
}

Arena arena;

Value convert(const ColumnRule& with, const Field& f) {
  Value out;
  const std::string_view wrong = Conversion(with).apply(f, arena, out);
  EXPECT_EQ(wrong, "") << f.text;
  return out;
}

bool refuses(const ColumnRule& with, const Field& f) {
  Value out;
  return !Conversion(with).apply(f, arena, out).empty();
}

TEST(Convert, a_double_goes_through_text_and_back_unchanged) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    double want = 0;
    const std::uint64_t bits = random();
    std::memcpy(&want, &bits, sizeof want);
    if (want != want || want - want != 0) continue;
    const std::string text = to_text(Value::of_double(want));
    ASSERT_EQ(convert(rule(Type::double_precision), field(Kind::text, text)).as_double(), want);
  }
}

TEST(Convert, a_bigint_goes_through_text_and_back_unchanged) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 10'000; ++i) {
    const auto want = static_cast<std::int64_t>(random());
    const std::string text = std::to_string(want);
    ASSERT_EQ(convert(rule(Type::bigint), field(Kind::number, text)).as_bigint(), want);
  }
}

TEST(Convert, a_time_goes_through_every_format_and_back_unchanged) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> any(0, 4'000'000'000'000'000);
  for (int i = 0; i < 5'000; ++i) {
    const Timestamp want{any(random)};
    const std::string micros = std::to_string(want.micros);
    EXPECT_EQ(timestamp_from_number(micros, TimeFormat::unix_us), want);
    EXPECT_EQ(timestamp_from_number(micros + "e-6", TimeFormat::unix_s), want);
    EXPECT_EQ(timestamp_from_number(micros + "e-3", TimeFormat::unix_ms), want);
    EXPECT_EQ(timestamp_from_number(micros + "999", TimeFormat::unix_ns), want);
    const std::string iso = to_iso8601(want);
    EXPECT_EQ(convert(rule(Type::timestamptz), field(Kind::string, iso)).as_timestamp(), want);
  }
}

TEST(Convert, a_scale_of_one_over_n_divides_so_that_decimals_stay_decimals) {
  ColumnRule tenth = rule(Type::double_precision);
  tenth.scale = 0.1;
  for (int i = -5'000; i < 5'000; ++i) {
    const std::string raw = std::to_string(i);
    const std::string text = raw + "e-1";
    ASSERT_EQ(convert(tenth, field(Kind::number, raw)).as_double(), to_double(text)) << i;
  }
}

TEST(Convert, scale_comes_before_offset) {
  ColumnRule r = rule(Type::double_precision);
  r.scale = 2;
  r.offset = 1;
  EXPECT_EQ(convert(r, field(Kind::number, "3")).as_double(), 7.0);
}

TEST(Convert, a_scaled_bigint_is_rounded_and_checked) {
  ColumnRule r = rule(Type::bigint);
  r.scale = 0.1;
  EXPECT_EQ(convert(r, field(Kind::number, "26")).as_bigint(), 3);
  r.scale = 1e10;
  EXPECT_TRUE(refuses(r, field(Kind::number, "1e10")));
}

TEST(Convert, a_result_beyond_double_is_refused) {
  ColumnRule r = rule(Type::double_precision);
  r.scale = 10;
  EXPECT_TRUE(refuses(r, field(Kind::number, "1e308")));
}

TEST(Convert, null_if_compares_numbers_as_numbers_and_text_as_text) {
  ColumnRule r = rule(Type::double_precision);
  r.null_if = "-999";
  for (const std::string_view text : {"-999", "-999.0", "-9.99e2"}) {
    EXPECT_TRUE(convert(r, field(Kind::number, text)).is_null()) << text;
  }
  EXPECT_FALSE(convert(r, field(Kind::number, "999")).is_null());
  ColumnRule words = rule(Type::text);
  words.null_if = "n/a";
  EXPECT_TRUE(convert(words, field(Kind::string, "n/a")).is_null());
  EXPECT_FALSE(convert(words, field(Kind::string, "N/A")).is_null());
}

TEST(Convert, absent_and_null_are_null_in_every_type) {
  for (const Type type : {Type::boolean, Type::bigint, Type::double_precision, Type::text,
                          Type::timestamptz, Type::jsonb, Type::bytea, Type::uuid, Type::numeric}) {
    EXPECT_TRUE(convert(rule(type), field(Kind::absent, "")).is_null());
    EXPECT_TRUE(convert(rule(type), field(Kind::null, "null")).is_null());
  }
}

TEST(Convert, text_that_is_not_exactly_a_number_is_refused) {
  for (const std::string_view text : {"", " 1", "1 ", "1x", "0x1", "nan", "1,5"}) {
    EXPECT_TRUE(refuses(rule(Type::double_precision), field(Kind::string, text))) << text;
    EXPECT_TRUE(refuses(rule(Type::bigint), field(Kind::string, text))) << text;
    EXPECT_TRUE(refuses(rule(Type::numeric), field(Kind::string, text))) << text;
  }
}

TEST(Convert, a_refused_value_leaves_null) {
  Value out = Value::of_bool(true);
  Conversion(Type::bigint).apply(field(Kind::string, "x"), arena, out);
  EXPECT_TRUE(out.is_null());
}

TEST(Convert, a_jsonb_string_keeps_its_quotes) {
  const std::string payload = R"("a\"b")";
  Field f = field(Kind::string, std::string_view(payload).substr(1, 4));
  f.escaped = true;
  EXPECT_EQ(convert(rule(Type::jsonb), f).as_bytes(), payload);
}

TEST(Convert, a_number_without_format_is_milliseconds_and_a_string_iso_8601) {
  EXPECT_EQ(convert(rule(Type::timestamptz), field(Kind::number, "1500")).as_timestamp(),
            Timestamp{1'500'000});
  EXPECT_TRUE(refuses(rule(Type::timestamptz), field(Kind::string, "1500")));
}

TEST(Describe, names_a_field_for_a_person) {
  EXPECT_EQ(describe(field(Kind::number, "12")), "12");
  EXPECT_EQ(describe(field(Kind::string, "on")), "\"on\"");
  EXPECT_EQ(describe(field(Kind::object, "{}")), "an object");
  EXPECT_EQ(describe(field(Kind::bytes, "\xff")), "1 bytes");
  EXPECT_EQ(describe(field(Kind::text, "a\nb")), "\"a.b\"");
}

}  // namespace
}  // namespace rowgate::schema
