#include "gateway/http/prometheus.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rowgate::http {
namespace {

TEST(prometheus, writes_help_type_and_sample_of_a_family) {
  MetricsText text;
  text.family("rowgate_connections", MetricType::gauge, "Clients connected now.");
  text.sample("rowgate_connections", {}, 12);
  EXPECT_EQ(text.take(),
            "# HELP rowgate_connections Clients connected now.\n"
            "# TYPE rowgate_connections gauge\n"
            "rowgate_connections 12\n");
}

TEST(prometheus, writes_labels_in_the_given_order) {
  MetricsText text;
  text.sample("rowgate_ledger_messages_total", {{"state", "stored"}, {"lane", "3"}}, 7U);
  EXPECT_EQ(text.take(), "rowgate_ledger_messages_total{state=\"stored\",lane=\"3\"} 7\n");
}

TEST(prometheus, escapes_label_values) {
  MetricsText text;
  text.sample("m", {{"why", "a\\b\"c\nd"}}, 1);
  EXPECT_EQ(text.take(), "m{why=\"a\\\\b\\\"c\\nd\"} 1\n");
}

TEST(prometheus, escapes_backslash_and_newline_but_not_quotes_in_help) {
  MetricsText text;
  text.family("m", MetricType::counter, "a\\b \"c\"\nd");
  EXPECT_EQ(text.take(), "# HELP m a\\\\b \"c\"\\nd\n# TYPE m counter\n");
}

TEST(prometheus, writes_64_bit_counters_exactly) {
  MetricsText text;
  text.sample("m", {}, std::numeric_limits<std::uint64_t>::max());
  text.sample("m", {}, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(text.take(), "m 18446744073709551615\nm -9223372036854775808\n");
}

TEST(prometheus, writes_fractions_and_what_is_not_a_number) {
  MetricsText text;
  text.sample("m", {}, 0.25);
  text.sample("m", {}, std::numeric_limits<double>::infinity());
  text.sample("m", {}, -std::numeric_limits<double>::infinity());
  text.sample("m", {}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(text.take(), "m 0.25\nm +Inf\nm -Inf\nm NaN\n");
}

TEST(prometheus, take_leaves_nothing_behind) {
  MetricsText text;
  text.sample("m", {}, 1);
  text.take();
  EXPECT_EQ(text.take(), "");
}

}  // namespace
}  // namespace rowgate::http
