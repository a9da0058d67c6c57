#include "gateway/config/units.hpp"

#include <gtest/gtest.h>

namespace rowgate::config {
namespace {

using namespace std::chrono_literals;

TEST(units, size_takes_binary_and_decimal_units_and_plain_bytes) {
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("64 MiB"), 64U << 20);
  EXPECT_EQ(parse_size("64MiB"), 64U << 20);
  EXPECT_EQ(parse_size("8 GiB"), 8ULL << 30);
  EXPECT_EQ(parse_size("3 MB"), 3'000'000U);
  EXPECT_EQ(parse_size("7 B"), 7U);
  EXPECT_EQ(parse_size("0"), 0U);
}

TEST(units, size_refuses_what_is_not_a_size) {
  for (const char* text : {"", "MiB", "-1", "1.5 GiB", "64 mib", "64 MiB ", " 64", "1 s", "1 Mi"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(units, size_beyond_64_bits_is_refused_not_wrapped) {
  EXPECT_EQ(parse_size("16777215 TiB"), 16777215ULL << 40);
  EXPECT_EQ(parse_size("16777216 TiB"), std::nullopt);
  EXPECT_EQ(parse_size("18446744073709551616"), std::nullopt);
}

TEST(units, size_is_printed_in_the_largest_exact_unit) {
  EXPECT_EQ(format_size(8ULL << 30), "8 GiB");
  EXPECT_EQ(format_size(1500), "1500 B");
  EXPECT_EQ(format_size(0), "0");
  for (const std::uint64_t bytes : {1ULL, 1023ULL, 1ULL << 20, 5ULL << 40, 1'000'001ULL}) {
    EXPECT_EQ(parse_size(format_size(bytes)), bytes);
  }
}

TEST(units, duration_needs_a_unit_unless_zero) {
  EXPECT_EQ(parse_duration("100 ms"), 100ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("2 min"), 2min);
  EXPECT_EQ(parse_duration("7 d"), std::chrono::hours(7 * 24));
  EXPECT_EQ(parse_duration("0"), 0s);
  for (const char* text : {"10", "", "s", "10 m", "1.5 s", "10 sec", "-1 s", "213503983 d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(units, duration_is_printed_in_the_largest_exact_unit) {
  EXPECT_EQ(format_duration(100ms), "100 ms");
  EXPECT_EQ(format_duration(90s), "90 s");
  EXPECT_EQ(format_duration(std::chrono::hours(48)), "2 d");
}

TEST(units, endpoint_takes_names_and_addresses) {
  const auto named = parse_endpoint("gateway.local:1883");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->host, "gateway.local");
  EXPECT_EQ(named->port, 1883);
  const auto six = parse_endpoint("[::1]:0");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 0);
}

TEST(units, endpoint_refuses_what_is_not_host_and_port) {
  for (const char* text : {"", "1883", ":1883", "localhost", "localhost:", "localhost:65536",
                           "localhost:-1", "::1:1883", "[::1]", "[]:1883", "[localhost]:1",
                           "localhost:1883x", "a b:1", "mqtt://localhost:1883"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

TEST(units, endpoint_is_printed_as_it_is_parsed) {
  for (const char* text : {"127.0.0.1:1883", "[fe80::1]:65535", "localhost:0"}) {
    EXPECT_EQ(format_endpoint(*parse_endpoint(text)), text);
  }
}

}  // namespace
}  // namespace rowgate::config
