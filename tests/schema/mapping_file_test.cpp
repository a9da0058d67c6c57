// What the golden cases in tests/golden/mapping do not show.
#include "schema/mapping_file.hpp"

#include <gtest/gtest.h>

#include <random>

namespace rowgate::schema {
namespace {

constexpr std::string_view whole = R"([[mapping]]
name  = "room"
topic = "site/{site}/room/{room}"
table = "plant.room"
time  = { from = "/ts", format = "unix_ms", column = "at" }
key   = ["site", "at"]
on_conflict = "update"
rows  = "/samples"
[mapping.columns]
site = { topic = "site", type = "text" }
t    = { from = "/t", type = "double", scale = 0.1, offset = -40.0, null_if = -999 }
u    = { meta = "user_property:unit" }
)";

TEST(MappingFile, becomes_plain_mappings) {
  const auto parsed = parse_mapping_file(whole, 42);
  ASSERT_TRUE(parsed) << format_errors("x", parsed.error());
  const Catalog& catalog = **parsed;
  EXPECT_EQ(catalog.generation, 42U);
  ASSERT_EQ(catalog.mappings.size(), 1U);
  const Mapping& m = catalog.mappings[0];
  EXPECT_EQ(m.pattern, "site/{site}/room/{room}");
  EXPECT_EQ(m.rows, "/samples");
  EXPECT_EQ(m.time.format, TimeFormat::unix_ms);
  ASSERT_EQ(m.columns.size(), 3U);
  EXPECT_TRUE(m.columns[0].required) << "a key column must be filled";
  EXPECT_EQ(m.columns[1].null_if, "-999");
  EXPECT_EQ(m.columns[1].offset, -40.0);
  EXPECT_EQ(std::get<FromMeta>(m.columns[2].source).user_property, "unit");
  const Table& table = catalog.tables.at(m.table);
  EXPECT_EQ(table.name, "plant.room");
  EXPECT_EQ(table.time_column, "at");
  EXPECT_EQ(table.key, (std::vector<std::string>{"site", "at"}));
  EXPECT_EQ(table.on_conflict, OnConflict::update);
  EXPECT_EQ(table.columns[m.columns[1].column].name, "t");
  EXPECT_TRUE(catalog.index.matches("site/a/room/b"));
}

TEST(MappingFile, errors_are_printed_with_file_line_column_and_hint) {
  EXPECT_EQ(format_errors("m.toml", {{12, 9, "unknown key 'colums'", "did you mean 'columns'?"},
                                     {0, 0, "empty", ""}}),
            "m.toml:12:9: unknown key 'colums' (did you mean 'columns'?)\nm.toml: empty\n");
}

TEST(MappingFile, every_truncation_is_refused_or_accepted_without_throwing) {
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto parsed = parse_mapping_file(whole.substr(0, n), 1);
    if (!parsed) {
      EXPECT_FALSE(parsed.error().empty()) << n;
    }
  }
}

TEST(MappingFile, random_damage_never_throws) {
  std::mt19937 random(13);
  for (int i = 0; i < 3'000; ++i) {
    std::string text(whole);
    for (auto n = 1 + random() % 4; n > 0; --n) {
      text[random() % text.size()] = static_cast<char>(32 + random() % 95);
    }
    const auto parsed = parse_mapping_file(text, 1);
    if (!parsed) {
      ASSERT_FALSE(format_errors("m", parsed.error()).empty());
    }
  }
}

}  // namespace
}  // namespace rowgate::schema
