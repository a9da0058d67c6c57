#include <gtest/gtest.h>

#include "tests/schema/payload/mapped.hpp"

namespace rowgate::schema {
namespace {

constexpr std::string_view points = R"(
[[mapping]]
name = "m"
topic = "t"
table = "m"
payload = { format = "influx", precision = "us" }
[mapping.columns]
measurement = { from = "/measurement", type = "text" }
tag         = { from = "/tags/a tag,=", type = "text" }
text        = { from = "/fields/a, field", type = "text" }
whole       = { from = "/fields/n", type = "bigint" }
time        = { from = "/time", type = "bigint" }
)";

std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Line protocol has no way to write these at a name's end.
std::string name(std::mt19937& random, const std::vector<std::string>& pieces) {
  return "n" + random_text(random, pieces, 5) + "n";
}

TEST(Influx, what_a_writer_wrote_is_read_back) {
  std::mt19937 random(1);
  MappedPayloads payloads(points);
  const std::vector<std::string> pieces{"a", ",", " ", "=", "\"", "#", "ä", "1"};
  const std::vector<std::string> texts{"a", ",", " ", "=", "\"", "\\", "\n", "ä", "#", "\r\n"};
  for (int n = 0; n < 2'000; ++n) {
    std::string payload = random() % 2 == 0 ? "# comment\n\n" : "";
    std::vector<Cells> rows;
    for (std::size_t i = 0, count = random() % 5; i < count; ++i) {
      const std::string measurement = name(random, pieces);
      const std::string tag = name(random, pieces);
      const std::string text = random_text(random, texts, 6);
      const std::string whole = std::to_string(static_cast<std::int64_t>(random()) - 1'000'000);
      const std::string time = std::to_string(random());
      payload += escaped(measurement, ", ") + ",a\\ tag\\,\\==" + escaped(tag, ", =") + " a\\,\\ ";
      payload += "field=\"" + escaped(text, "\"\\") + "\",n=" + whole + "i " + time;
      payload += random() % 2 == 0 ? "\r\n" : "\n";
      rows.push_back({measurement, tag, text, whole, time});
    }
    const Mapped mapped = payloads.map(payload);
    ASSERT_EQ(mapped.reason, "") << payload;
    ASSERT_EQ(mapped.rows, rows) << payload;
  }
}

TEST(Influx, a_point_without_a_timestamp_has_the_receive_time) {
  for (const auto& [precision, time] :
       {std::pair{"s", "1795244979"}, {"ms", "1795244979123"}, {"us", "1795244979123456"}}) {
    MappedPayloads payloads(std::string(R"([[mapping]]
name = "m"
topic = "t"
table = "m"
payload = { format = "influx", precision = ")") +
                            precision + R"(" }
[mapping.columns]
time = { from = "/time", type = "double" })");
    const Mapped mapped = payloads.map("m a=1");
    ASSERT_EQ(mapped.rows.size(), 1U);
    EXPECT_TRUE(mapped.rows[0][0]->starts_with(time)) << *mapped.rows[0][0];
  }
}

TEST(Influx, whatever_stands_in_it_becomes_rows_or_a_reason) {
  std::mt19937 random(3);
  MappedPayloads payloads(points);
  const std::vector<std::string> pieces{"m", "a=1", ",", " ", "\n",   "\"",       "\\",
                                        "=", "1i",  "#", "t", "\xFF", "m a=1 1\n"};
  for (int n = 0; n < 20'000; ++n) {
    const std::string payload = random_text(random, pieces, 16);
    const Mapped mapped = payloads.map(payload);
    if (payload.starts_with("m a=1 1\n")) {
      ASSERT_FALSE(mapped.rows.empty()) << payload;
    }
  }
}

}  // namespace
}  // namespace rowgate::schema
