#include "gateway/broker/arrival_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/base/utf8.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::broker {
namespace {

using testing::Optional;

std::shared_ptr<const schema::Catalog> catalog_of(std::string_view toml, std::uint64_t generation) {
  const auto parsed = schema::parse_mapping_file(toml, generation);
  if (!parsed) throw std::runtime_error(schema::format_errors("m.toml", parsed.error()));
  return *parsed;
}

schema::Message message(std::string_view topic, std::string_view payload) {
  schema::Message m;
  m.topic = topic;
  m.client_id = "c";
  m.payload = payload;
  m.received_at = {1767225600000000};
  return m;
}

constexpr std::string_view strict = R"(
[[mapping]]
name = "strict"
topic = "s/{device}"
table = "strict"
on_error = "reject"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
soft = { from = "/soft", type = "bigint", on_error = "null" }
[[mapping]]
name = "lenient"
topic = "#"
table = "lenient"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
)";

TEST(arrival_check, takes_what_fits_and_says_why_not) {
  const LiveCatalog live(catalog_of(strict, 1));
  ArrivalCheck check(live, 2);
  EXPECT_EQ(check.refuse(0, message("s/a", R"({"n":1})")), std::nullopt);
  EXPECT_THAT(check.refuse(1, message("s/a", R"({"n":"x"})")),
              Optional(std::string("mapping 'strict': column 'n': \"x\" from /n is not a number")));
  EXPECT_THAT(check.refuse(1, message("s/a", "{")),
              Optional(testing::StartsWith("mapping 'strict': the payload is not JSON")));
  EXPECT_EQ(check.refuse(1, message("s/a", R"({"n":2})")), std::nullopt);
}

TEST(arrival_check, a_columns_own_on_error_keeps_its_meaning) {
  const LiveCatalog live(catalog_of(strict, 1));
  ArrivalCheck check(live, 1);
  EXPECT_EQ(check.refuse(0, message("s/a", R"({"n":1,"soft":"x"})")), std::nullopt);
}

TEST(arrival_check, leaves_alone_what_only_other_mappings_take) {
  const LiveCatalog live(catalog_of(strict, 1));
  ArrivalCheck check(live, 1);
  EXPECT_EQ(check.refuse(0, message("t/a", "{")), std::nullopt);
  EXPECT_EQ(check.refuse(0, message("$presence/a", "{")), std::nullopt);
}

TEST(arrival_check, follows_a_reload) {
  LiveCatalog live(schema::built_in_catalog());
  ArrivalCheck check(live, 1);
  EXPECT_EQ(check.refuse(0, message("s/a", "{")), std::nullopt);
  live.set(catalog_of(strict, 2));
  EXPECT_NE(check.refuse(0, message("s/a", "{")), std::nullopt);
  live.set(schema::built_in_catalog());
  EXPECT_EQ(check.refuse(0, message("s/a", "{")), std::nullopt);
}

TEST(arrival_check, what_one_device_sends_makes_no_rule_for_the_next) {
  const LiveCatalog live(catalog_of(R"(
[[mapping]]
name = "auto"
topic = "a/{device}"
table = "t"
on_error = "reject"
columns = "auto"
)",
                                    1));
  ArrivalCheck check(live, 1);
  EXPECT_EQ(check.refuse(0, message("a/x", R"({"temp":21})")), std::nullopt);
  EXPECT_EQ(check.refuse(0, message("a/x", R"({"temp":"warm"})")), std::nullopt)
      << "which type the column has, the database knows";
  for (int i = 0; i < 300; ++i) {
    const std::string payload = R"({"f)" + std::to_string(i) + R"(":1})";
    ASSERT_EQ(check.refuse(0, message("a/x", payload)), std::nullopt);
  }
  EXPECT_NE(check.refuse(0, message("a/x", "[]")), std::nullopt);
}

TEST(arrival_check, a_reason_is_text_whatever_the_payload_is) {
  const LiveCatalog live(catalog_of(R"(
[[mapping]]
name = "n"
topic = "n"
table = "t"
payload = "scalar"
on_error = "reject"
[mapping.columns]
n = { from = "", type = "bigint" }
)",
                                    1));
  ArrivalCheck check(live, 1);
  for (std::size_t n = 30; n < 50; ++n) {  // some of these end in the middle of a character
    std::string payload(n, 'a');
    for (int i = 0; i < 20; ++i) payload.append("\u20ac");
    const auto why = check.refuse(0, message("n", payload));
    ASSERT_TRUE(why);
    EXPECT_TRUE(is_utf8(*why)) << *why;
  }
}

}  // namespace
}  // namespace rowgate::broker
