#include "gateway/cli/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace rowgate::cli {
namespace {

const storage::QueryResult sample{
    {"topic", "value", "note"},
    {{"site/7", "21.5", "a \"b\", c"}, {"é", "-3", std::nullopt}, {"x", std::nullopt, ""}}};

std::string printed(Format format, const storage::QueryResult& rows = sample) {
  std::ostringstream out;
  print_rows(out, format, rows);
  return out.str();
}

TEST(table, aligns_columns_numbers_to_the_right) {
  EXPECT_EQ(printed(Format::table),
            "topic   value  note\n"
            "------  -----  --------\n"
            "site/7   21.5  a \"b\", c\n"
            "é          -3  NULL\n"
            "x        NULL\n"
            "(3 rows)\n");
}

TEST(table, without_rows_shows_the_columns) {
  EXPECT_EQ(printed(Format::table, {{"a", "b"}, {}}), "a  b\n-  -\n(0 rows)\n");
}

TEST(table, escapes_control_characters_of_payloads) {
  EXPECT_EQ(printed(Format::table, {{"p"}, {{"a\nb\x1b[2J"}}}),
            "p\n-----------\na\\nb\\x1b[2J\n(1 row)\n");
}

TEST(table, csv_quotes_as_rfc_4180_says_and_tells_null_from_empty) {
  EXPECT_EQ(printed(Format::csv),
            "topic,value,note\n"
            "site/7,21.5,\"a \"\"b\"\", c\"\n"
            "é,-3,\n"
            "x,,\"\"\n");
  EXPECT_EQ(printed(Format::csv, {{"odd, name"}, {{"a\r\nb"}}}), "\"odd, name\"\n\"a\r\nb\"\n");
}

TEST(table, json_is_an_array_of_objects_with_null_for_null) {
  EXPECT_EQ(printed(Format::json),
            "[\n"
            "  {\"topic\": \"site/7\", \"value\": \"21.5\", \"note\": \"a \\\"b\\\", c\"},\n"
            "  {\"topic\": \"é\", \"value\": \"-3\", \"note\": null},\n"
            "  {\"topic\": \"x\", \"value\": null, \"note\": \"\"}\n"
            "]\n");
  EXPECT_EQ(printed(Format::json, {{"a"}, {}}), "[]\n");
}

TEST(table, record_is_a_line_a_field) {
  std::ostringstream out;
  print_record(out, Format::table, {{"state", "sound"}, {"id", "ab\n"}});
  EXPECT_EQ(out.str(), "state  sound\nid     ab\\n\n");
}

TEST(table, record_as_csv_and_json_is_one_row) {
  std::ostringstream csv;
  print_record(csv, Format::csv, {{"state", "sound"}, {"id", "ab"}});
  EXPECT_EQ(csv.str(), "state,id\nsound,ab\n");
  std::ostringstream json;
  print_record(json, Format::json, {{"state", "sound"}});
  EXPECT_EQ(json.str(), "[\n  {\"state\": \"sound\"}\n]\n");
}

}  // namespace
}  // namespace rowgate::cli
