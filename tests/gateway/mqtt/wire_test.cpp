#include "gateway/mqtt/wire.hpp"

#include <gtest/gtest.h>

#include <random>

namespace rowgate::mqtt {
namespace {

// UTF-8 by its definition, a code point at a time: decode, then ask whether this is how that code
// point is written.
TextClass naively(std::string_view text) {
  bool wildcard = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80             ? 1
                               : (lead & 0xE0) == 0xC0 ? 2
                               : (lead & 0xF0) == 0xE0 ? 3
                               : (lead & 0xF8) == 0xF0 ? 4
                                                       : 0;
    if (length == 0 || i + length > text.size()) return TextClass::ill_formed;
    std::uint32_t point = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return TextClass::ill_formed;
      point = point << 6 | (next & 0x3FU);
    }
    const std::size_t shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (shortest != length || point > 0x10FFFF || point == 0) return TextClass::ill_formed;
    if (point >= 0xD800 && point <= 0xDFFF) return TextClass::ill_formed;
    wildcard = wildcard || point == '+' || point == '#';
    i += length;
  }
  return wildcard ? TextClass::has_wildcard : TextClass::plain;
}

TEST(ClassifyText, agrees_with_the_definition_on_every_two_bytes) {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::string pair = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(classify_text(pair), naively(pair)) << first << ' ' << second;
      // In the middle of ASCII the eight-byte steps see it.
      const std::string text = "site/1/r" + pair + "/temperature";
      ASSERT_EQ(classify_text(text), naively(text)) << first << ' ' << second;
    }
  }
}

TEST(ClassifyText, agrees_with_the_definition_on_every_start_of_three_and_four_bytes) {
  for (unsigned first = 0xE0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      for (const unsigned third : {0x7FU, 0x80U, 0xBFU, 0xC0U}) {
        const std::string three = {static_cast<char>(first), static_cast<char>(second),
                                   static_cast<char>(third)};
        ASSERT_EQ(classify_text(three), naively(three)) << first << ' ' << second << ' ' << third;
        const std::string four = three + "\x80";
        ASSERT_EQ(classify_text(four), naively(four)) << first << ' ' << second << ' ' << third;
      }
    }
  }
}

TEST(ClassifyText, agrees_with_the_definition_on_random_mixtures) {
  const std::string_view pieces[] = {
      "a",    "/",   "sensor/1", "ä",    "温",           "\xF0\x9F\x8C\xA1",
      "+",    "#",   "\x7F",     "\x01", "\xED\xA0\x80", "\xC0\x80",
      "\x80", "\xE6"};
  std::mt19937_64 random(7);
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    // Mostly pieces that are fine, so that long texts are not all ill-formed.
    for (std::size_t n = random() % 12; n > 0; --n) {
      text += pieces[random() % (random() % 8 == 0 ? std::size(pieces) : 6)];
    }
    if (random() % 16 == 0 && !text.empty()) text[random() % text.size()] = '\0';
    ASSERT_EQ(classify_text(text), naively(text)) << ::testing::PrintToString(text);
  }
}

TEST(TakeVarint, reads_no_more_than_it_needs_and_refuses_padding) {
  std::string_view bytes("\xAC\x02rest", 6);
  std::uint32_t value = 0;
  ASSERT_TRUE(take_varint(bytes, value));
  EXPECT_EQ(value, 300U);
  EXPECT_EQ(bytes, "rest");
  for (const std::string_view bad : {std::string_view("\x80\x00", 2), std::string_view("\x80", 1),
                                     std::string_view("\xFF\xFF\xFF\xFF\x01", 5),
                                     std::string_view("\x81\x80\x00", 3), std::string_view()}) {
    std::string_view copy = bad;
    EXPECT_FALSE(take_varint(copy, value)) << ::testing::PrintToString(bad);
  }
}

TEST(TakeVarint, takes_back_what_append_varint_wrote) {
  for (const std::uint32_t v :
       {0U, 1U, 127U, 128U, 16383U, 16384U, 2097151U, 2097152U, 268435455U}) {
    std::string bytes;
    append_varint(bytes, v);
    std::string_view view = bytes;
    std::uint32_t value = 1;
    ASSERT_TRUE(take_varint(view, value));
    EXPECT_EQ(value, v);
    EXPECT_TRUE(view.empty());
  }
}

}  // namespace
}  // namespace rowgate::mqtt
