#include <gtest/gtest.h>

#include "tests/schema/payload/mapped.hpp"

namespace rowgate::schema {
namespace {

constexpr std::string_view three_texts = R"(
[[mapping]]
name = "m"
topic = "t"
table = "m"
payload = { format = "csv", delimiter = "DELIMITER", quote = "QUOTE" }
[mapping.columns]
a = { from = "/0", type = "text" }
b = { from = "/1", type = "text" }
c = { from = "/2", type = "text" }
)";

std::string mapping_with(std::string_view delimiter, std::string_view quote) {
  std::string toml(three_texts);
  toml.replace(toml.find("DELIMITER"), 9, delimiter);
  toml.replace(toml.find("QUOTE"), 5, quote);
  return toml;
}

std::string quoted(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out += c;
    if (c == quote) out += quote;
  }
  return out + quote;
}

// A writer as RFC 4180 describes it; what needs no quotes has them or not.
std::string write_csv(std::mt19937& random, const std::vector<Cells>& rows, char delimiter,
                      char quote) {
  const std::string special = std::string("\r\n \t") + delimiter + quote;
  std::string out = random() % 4 == 0 ? "\xEF\xBB\xBF" : "";
  for (const Cells& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += delimiter;
      if (!row[i]) continue;
      const bool must = row[i]->empty() || row[i]->find_first_of(special) != std::string::npos;
      out += must || random() % 3 == 0 ? quoted(*row[i], quote) : *row[i];
    }
    out += random() % 2 == 0 ? "\r\n" : "\n";
    if (random() % 5 == 0) out += "\n";
  }
  if (random() % 2 == 0 && out.ends_with("\n")) out.pop_back();
  return out;
}

TEST(Csv, what_a_writer_wrote_is_read_back) {
  std::mt19937 random(4180);
  const std::vector<std::string> pieces{"a",  "12.5", "\"", "'", ",",  ";",
                                        "\n", "\r\n", " ",  "ä", "\t", "日本"};
  for (const auto& [delimiter, quote] :
       {std::pair{",", "\\\""}, {";", "'"}, {"\\t", "\\\""}, {"|", "~"}}) {
    MappedPayloads payloads(mapping_with(delimiter, quote));
    const char delimiter_char = delimiter[0] == '\\' ? '\t' : delimiter[0];
    const char quote_char = quote[0] == '\\' ? '"' : quote[0];
    for (int n = 0; n < 500; ++n) {
      std::vector<Cells> rows(random() % 5);
      for (Cells& row : rows) {
        for (int i = 0; i < 3; ++i) {
          row.emplace_back(random_text(random, pieces, 4));
          if (random() % 6 == 0) row.back() = std::nullopt;
        }
      }
      const std::string csv = write_csv(random, rows, delimiter_char, quote_char);
      const Mapped mapped = payloads.map(csv);
      ASSERT_EQ(mapped.reason, "") << csv;
      ASSERT_EQ(mapped.rows, rows) << csv;
    }
  }
}

TEST(Csv, whatever_stands_in_it_becomes_rows_or_a_reason) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"a", "1",  "\"", ",",    "\n",   "\r",
                                        " ", "\t", "\"", "\xFF", "\x00", "\"\""};
  MappedPayloads payloads(mapping_with(",", "\\\""));
  for (int n = 0; n < 20'000; ++n) {
    std::string csv = random_text(random, pieces, 24);
    if (random() % 8 == 0) csv += '\0';
    const bool something = csv.find_first_not_of(" \t\r\n") != std::string::npos;
    const Mapped mapped = payloads.map(csv);
    ASSERT_EQ(something, !mapped.rows.empty() || !mapped.reason.empty()) << csv;
  }
}

TEST(Csv, a_wrong_line_costs_only_itself) {
  std::mt19937 random(11);
  MappedPayloads payloads(mapping_with(",", "\\\""));
  for (const std::string wrong : {"a,b\"c,d", "\"a\" b,c,d", "\xFF,b,c"}) {
    for (int n = 0; n < 50; ++n) {
      const std::size_t before = random() % 4;
      const std::size_t behind = random() % 4;
      std::string csv;
      for (std::size_t i = 0; i < before; ++i) csv += "1,\"2\n\",3\n";
      csv += wrong + "\n";
      for (std::size_t i = 0; i < behind; ++i) csv += "1,2,3\n";
      const Mapped mapped = payloads.map(csv);
      ASSERT_EQ(mapped.rows.size(), before + behind) << csv;
      const std::string place = "line " + std::to_string(2 * before + 1) + ": ";
      ASSERT_NE(mapped.reason.find(place), std::string::npos) << mapped.reason;
    }
  }
}

TEST(Csv, a_line_of_very_many_fields_is_refused) {
  MappedPayloads payloads(mapping_with(",", "\\\""));
  const Mapped mapped = payloads.map(std::string(20'000, ',') + "\n1,2,3\n");
  EXPECT_EQ(mapped.rows.size(), 1U);
  EXPECT_NE(mapped.reason.find("line 1: it has more than 10,000 fields"), std::string::npos);
}

}  // namespace
}  // namespace rowgate::schema
