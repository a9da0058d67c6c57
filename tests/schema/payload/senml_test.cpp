#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/schema/payload/mapped.hpp"

namespace rowgate::schema {
namespace {

constexpr std::string_view records = R"(
[[mapping]]
name = "m"
topic = "t"
table = "m"
payload = "senml"
[mapping.columns]
record = { from = "", type = "jsonb" }
)";

std::string thousandths(std::int64_t value) {
  const std::int64_t size = value < 0 ? -value : value;
  return fmt::format("{}{}.{:03}", value < 0 ? "-" : "", size / 1000, size % 1000);
}

TEST(Senml, base_values_are_added_digit_for_digit) {
  std::mt19937_64 random(8428);
  MappedPayloads payloads(R"(
[[mapping]]
name = "m"
topic = "t"
table = "m"
payload = "senml"
[mapping.columns]
v = { from = "/v", type = "numeric" }
)");
  for (int n = 0; n < 5'000; ++n) {
    const auto base = static_cast<std::int64_t>(random() % 2'000'000'000'000) - 1'000'000'000'000;
    const auto value = static_cast<std::int64_t>(random() % 2'000'000) - 1'000'000;
    const Mapped mapped = payloads.map(
        fmt::format(R"([{{"bn":"a","bv":{},"v":{}}}])", thousandths(base), thousandths(value)));
    ASSERT_EQ(mapped.rows.size(), 1U) << mapped.reason;
    const std::string want = thousandths(base + value);
    std::string have = mapped.rows[0][0].value();
    if (have.find('.') == std::string::npos) have += '.';
    have.append(want.size() - std::min(want.size(), have.size()), '0');
    ASSERT_EQ(have, want);
  }
}

// CBOR of numbers, strings and the maps of a pack, for the other half of a round trip.
void head(std::string& out, unsigned major, std::uint64_t argument) {
  if (argument < 24) {
    out += static_cast<char>(major << 5 | argument);
    return;
  }
  out += static_cast<char>(major << 5 | 27U);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(argument >> shift & 0xFFU);
}

void text(std::string& out, const std::string& value) {
  head(out, 3, value.size());
  out += value;
}

void integer(std::string& out, std::int64_t value) {
  head(out, value < 0 ? 1 : 0, static_cast<std::uint64_t>(value < 0 ? -1 - value : value));
}

TEST(Senml, both_representations_say_the_same) {
  std::mt19937 random(6);
  MappedPayloads json_payloads(records);
  MappedPayloads cbor_payloads(records);
  for (int n = 0; n < 1'000; ++n) {
    const std::size_t count = random() % 5;
    std::string json = "[";
    std::string cbor;
    head(cbor, 4, count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string base = "dev" + std::to_string(random() % 10) + ":";
      const std::string unit = random() % 2 == 0 ? "Cel" : "%RH";
      const std::int64_t time = static_cast<std::int64_t>(random() % 1000) - 500;
      const std::int64_t value = static_cast<std::int64_t>(random()) - 2'000'000'000;
      const bool has_base = random() % 2 == 0 || i == 0;
      json += i == 0 ? "{" : ",{";
      if (has_base) json += fmt::format(R"("bn":"{}","bt":1500000000,)", base);
      json += fmt::format(R"("n":"x","u":"{}","t":{},"v":{}}})", unit, time, value);
      head(cbor, 5, has_base ? 6 : 4);
      if (has_base) {
        integer(cbor, -2);
        text(cbor, base);
        integer(cbor, -3);
        integer(cbor, 1'500'000'000);
      }
      integer(cbor, 0);
      text(cbor, "x");
      integer(cbor, 1);
      text(cbor, unit);
      integer(cbor, 6);
      integer(cbor, time);
      integer(cbor, 2);
      integer(cbor, value);
    }
    json += "]";
    const Mapped from_json = json_payloads.map(json);
    const Mapped from_cbor = cbor_payloads.map(cbor);
    ASSERT_EQ(from_json.rows.size(), count) << json << from_json.reason;
    ASSERT_EQ(from_json.rows, from_cbor.rows) << json << from_cbor.reason;

    // Cut anywhere, it is a dead letter, and the records before the cut are rows.
    const Mapped cut = cbor_payloads.map(cbor.substr(0, random() % cbor.size()));
    ASSERT_FALSE(cut.reason.empty());
    ASSERT_LE(cut.rows.size(), count);
  }
}

TEST(Senml, whatever_stands_in_it_becomes_rows_or_a_reason) {
  std::mt19937 random(9);
  MappedPayloads payloads(records);
  const std::vector<std::string> json{"[",           "]",        "{",      "}",   ",",
                                      "\"n\":\"a\"", "1e9",      "\"bn\"", ":",   "\"vd\":\"",
                                      "\"",          "\"t\":-1", "_\"",    "null"};
  for (int n = 0; n < 20'000; ++n) {
    payloads.map("[{" + random_text(random, json, 12));
    std::string cbor(1, static_cast<char>(0x80U + random() % 32));
    for (std::size_t i = random() % 40; i > 0; --i) cbor += static_cast<char>(random());
    payloads.map(cbor);
    cbor = "\x81\xA2";
    cbor += std::string("\x00", 1) + "\x61\x61\x02";
    for (std::size_t i = random() % 12; i > 0; --i) cbor += static_cast<char>(random());
    const Mapped mapped = payloads.map(cbor);
    ASSERT_TRUE(mapped.rows.size() == 1 || !mapped.reason.empty());
  }
}

TEST(Senml, nesting_has_an_end) {
  MappedPayloads payloads(records);
  std::string cbor("\x81\xA1\x02", 3);
  EXPECT_NE(payloads.map(cbor + std::string(100'000, '\x81')).reason.find("too deeply"),
            std::string::npos);
  EXPECT_NE(payloads.map(cbor + std::string(100'000, '\xC1')).reason.find("too deeply"),
            std::string::npos);
}

}  // namespace
}  // namespace rowgate::schema
