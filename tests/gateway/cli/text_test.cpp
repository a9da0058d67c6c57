#include "gateway/cli/text.hpp"

#include <gtest/gtest.h>

namespace rowgate::cli {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

TEST(text, json_escapes_what_rfc_8259_asks_for) {
  EXPECT_EQ(json("a\"b\\c\nd\te\x01"), R"("a\"b\\c\nd\te\u0001")");
  EXPECT_EQ(json(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(text, json_keeps_well_formed_utf8) {
  EXPECT_EQ(json("é \u20ac \U0001F600"), "\"é \u20ac \U0001F600\"");
}

TEST(text, json_replaces_each_byte_that_is_no_utf8) {
  EXPECT_EQ(json("a\xff\xc3z"), "\"a\uFFFD\uFFFDz\"");
  EXPECT_EQ(json("\xed\xa0\x80"), "\"\uFFFD\uFFFD\uFFFD\"") << "a surrogate";
  EXPECT_EQ(json("\xc0\xaf"), "\"\uFFFD\uFFFD\"") << "an overlong form";
}

TEST(text, json_escapes_c1_controls) {
  EXPECT_EQ(json("\u009b"), R"("\u009b")");
}

TEST(text, printable_shows_controls_instead_of_sending_them_to_the_terminal) {
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("\u009b31m"), "\\xc2\\x9b31m");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
}

TEST(text, printable_shows_bytes_that_are_no_utf8) {
  EXPECT_EQ(printable("t\xff\xe2\x82"), "t\\xff\\xe2\\x82");
  EXPECT_EQ(printable("é"), "é");
}

TEST(text, width_counts_code_points) {
  EXPECT_EQ(width("abc"), 3U);
  EXPECT_EQ(width("é\u20ac"), 2U);
  EXPECT_EQ(width(""), 0U);
}

}  // namespace
}  // namespace rowgate::cli
