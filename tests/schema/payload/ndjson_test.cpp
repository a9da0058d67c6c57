#include <gtest/gtest.h>

#include "tests/schema/payload/mapped.hpp"

namespace rowgate::schema {
namespace {

constexpr std::string_view lines = R"(
[[mapping]]
name = "m"
topic = "t"
table = "m"
payload = "ndjson"
[mapping.columns]
a = { from = "/a", type = "text", required = true }
)";

TEST(Ndjson, a_damaged_line_costs_only_itself) {
  std::mt19937 random(1);
  MappedPayloads payloads(lines);
  for (int n = 0; n < 500; ++n) {
    std::string payload;
    std::vector<Cells> good;
    std::size_t damaged = 0;
    for (std::size_t i = 0, count = random() % 20; i < count; ++i) {
      const std::string text = "x" + std::to_string(random());
      std::string line = R"({"b":[1,{"c":null}],"a":")" + text + "\"}";
      if (random() % 4 == 0) {
        line.resize(1 + random() % (line.size() - 1));
        ++damaged;
      } else {
        good.push_back({text});
      }
      payload += line + (random() % 2 == 0 ? "\r\n" : "\n");
      if (random() % 5 == 0) payload += " \n";
    }
    const Mapped mapped = payloads.map(payload);
    ASSERT_EQ(mapped.rows, good) << payload;
    ASSERT_EQ(mapped.reason.empty(), damaged == 0) << mapped.reason;
    if (damaged > 0) {
      ASSERT_TRUE(mapped.reason.starts_with(std::to_string(damaged) + " of ")) << mapped.reason;
    }
  }
}

TEST(Ndjson, whatever_stands_in_it_becomes_rows_or_a_reason) {
  std::mt19937 random(2);
  MappedPayloads payloads(lines);
  const std::vector<std::string> pieces{"{\"a\":", "\"x\"",          "}", "\n", "\"", "[", "\\u00",
                                        ",",       "{\"a\":\"y\"}\n"};
  for (int n = 0; n < 20'000; ++n) {
    const std::string payload = random_text(random, pieces, 12);
    const bool something = payload.find_first_not_of('\n') != std::string::npos;
    const Mapped mapped = payloads.map(payload);
    ASSERT_EQ(something, !mapped.rows.empty() || !mapped.reason.empty()) << payload;
  }
}

}  // namespace
}  // namespace rowgate::schema
