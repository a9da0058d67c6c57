#include "schema/table.hpp"

#include <gtest/gtest.h>

#include "schema/mapper.hpp"
#include "schema/mapping.hpp"
#include "schema/nearest.hpp"

namespace rowgate::schema {
namespace {

TEST(Identifier, is_1_to_63_bytes_of_utf8_without_nul) {
  EXPECT_TRUE(is_identifier("room climate"));
  EXPECT_TRUE(is_identifier(std::string(63, 'x')));
  EXPECT_FALSE(is_identifier(""));
  EXPECT_FALSE(is_identifier(std::string(64, 'x')));
  EXPECT_FALSE(is_identifier(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_identifier("\xff"));
}

TEST(Identifier, is_quoted_with_its_quotes_doubled) {
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_table("plant.room climate"), "\"plant\".\"room climate\"");
  EXPECT_EQ(quote_table("room"), "\"room\"");
}

TEST(Table, finds_its_columns_by_name) {
  const Table table = unmapped_table();
  EXPECT_EQ(table.column("topic"), 1U);
  EXPECT_EQ(table.column("Topic"), std::nullopt);
}

TEST(Table, the_built_in_one_is_as_promised_to_scripts) {
  const Table table = built_in_catalog()->tables.at(0);
  std::string columns;
  for (const Column& c : table.columns)
    columns += c.name + " " + std::string(type_name(c.type)) + ";";
  EXPECT_EQ(table.name + ": " + columns,
            "telemetry: ts timestamptz;topic text;client_id text;value double;payload text;");
}

TEST(Table, the_gateways_own_ones_begin_as_promised_to_scripts) {
  const auto first_columns = [](const Table& table, std::size_t n) {
    std::string out = table.name;
    for (std::size_t i = 0; i < n; ++i) out += " " + table.columns[i].name;
    return out;
  };
  EXPECT_EQ(first_columns(unmapped_table(), 6),
            "rowgate_unmapped received_at topic client_id qos retain payload");
  EXPECT_EQ(first_columns(dead_letter_table(), 9),
            "rowgate_dead_letter received_at topic client_id qos retain payload encoding mapping "
            "reason");
}

TEST(Nearest, finds_a_word_within_a_third_of_its_letters) {
  const std::string_view words[] = {"columns", "topic", "table", "key"};
  EXPECT_EQ(nearest("colums", words), "columns");
  EXPECT_EQ(nearest("tpoic", words), "topic");
  EXPECT_EQ(nearest("kye", words), "key");
  EXPECT_EQ(nearest("xyz", words), "");
  EXPECT_EQ(nearest("", words), "");
}

}  // namespace
}  // namespace rowgate::schema
