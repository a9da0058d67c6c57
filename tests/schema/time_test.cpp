#include "schema/base/time.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace rowgate {
namespace {

TEST(Time, formats_the_epoch_and_both_ends_of_the_range) {
  EXPECT_EQ(to_iso8601(Timestamp{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_iso8601(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(to_iso8601(min_timestamp), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_iso8601(max_timestamp), "9999-12-31T23:59:59.999999Z");
}

TEST(Time, parses_what_it_formats) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<std::int64_t> any(min_timestamp.micros, max_timestamp.micros);
  for (int i = 0; i < 20'000; ++i) {
    const Timestamp t{any(random)};
    ASSERT_EQ(parse_iso8601(to_iso8601(t)), t) << t.micros;
  }
}

TEST(Time, agrees_with_the_c_library_on_seconds) {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<std::int64_t> any(min_timestamp.micros / 1'000'000,
                                                  max_timestamp.micros / 1'000'000);
  for (int i = 0; i < 5'000; ++i) {
    const std::time_t seconds = any(random);
    std::tm tm{};
    ASSERT_NE(gmtime_r(&seconds, &tm), nullptr);
    char want[128];
    std::snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.000000Z", tm.tm_year + 1900,
                  tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    ASSERT_EQ(to_iso8601(Timestamp{seconds * 1'000'000}), want);
  }
}

TEST(Time, takes_every_form_of_iso_8601_it_promises) {
  const Timestamp noon = parse_iso8601("2026-11-21T12:00:00.000000Z").value();
  for (const std::string_view text :
       {"2026-11-21T12:00", "2026-11-21 12:00", "2026-11-21t12:00:00z", "2026-11-21T12:00:00.0Z",
        "2026-11-21T12:00:00,000Z", "2026-11-21T13:00:00+01:00", "2026-11-21T13:00:00+0100",
        "2026-11-21T13:00:00+01", "2026-11-21T06:30-05:30", "2026-11-21T12:00:00.0000009Z",
        "2026-11-22T11:59:00+23:59"}) {
    EXPECT_EQ(parse_iso8601(text), noon) << text;
  }
  EXPECT_EQ(parse_iso8601("2026-11-21"), parse_iso8601("2026-11-21T00:00:00Z"));
  EXPECT_TRUE(parse_iso8601("2024-02-29"));
  EXPECT_TRUE(parse_iso8601("2000-02-29"));
}

TEST(Time, refuses_what_is_no_time) {
  for (const std::string_view text : {"",
                                      "2026",
                                      "2026-11",
                                      "2026-11-21T",
                                      "2026-11-21T12",
                                      "2026-11-21T12:00:00.Z",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T12:60:00Z",
                                      "2026-11-21T12:00:61Z",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-01-00",
                                      "2026-02-29",
                                      "1900-02-29",
                                      "2026-04-31",
                                      "0000-01-01",
                                      "2026-11-21T12:00:00+",
                                      "2026-11-21T12:00:00+1",
                                      "2026-11-21T12:00:00+24:00",
                                      "2026-11-21T12:00:00+01:60",
                                      "2026-11-21T12:00:00Zx",
                                      "2026-11-21x12:00",
                                      "26-11-21",
                                      "+2026-11-21",
                                      "10000-01-01",
                                      "0001-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:60Z",
                                      "2026-11-21T12:00:00+01:"}) {
    EXPECT_EQ(parse_iso8601(text), std::nullopt) << text;
  }
}

TEST(Time, refuses_every_prefix_that_is_not_a_form_of_its_own) {
  const std::string_view whole = "2026-11-21T12:34:56.789+01:30";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const bool form = n == 10 || n == 16 || n == 19 || (n >= 21 && n <= 23) || n == 26;
    EXPECT_EQ(parse_iso8601(whole.substr(0, n)).has_value(), form) << whole.substr(0, n);
  }
}

}  // namespace
}  // namespace rowgate
