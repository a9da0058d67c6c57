#include "schema/message.hpp"

#include <gtest/gtest.h>

#include "schema/base/bytes.hpp"

namespace rowgate::schema {
namespace {

std::string pair(std::string_view name, std::string_view value) {
  std::string bytes;
  Writer out(bytes);
  out.u8(0x26);
  out.be(static_cast<std::uint16_t>(name.size()));
  out.bytes(name);
  out.be(static_cast<std::uint16_t>(value.size()));
  out.bytes(value);
  return bytes;
}

// One of every other property a PUBLISH may have [MQTT5 3.3.2.3].
const std::string others = std::string("\x01\x01", 2) + std::string("\x02\0\0\0\x09", 5) +
                           std::string(
                               "\x03\0\x02"
                               "ab",
                               5) +
                           std::string("\x08\0\x01r", 4) + std::string("\x09\0\x02\x26\x26", 5) +
                           std::string("\x0b\x80\x01", 3) + std::string("\x23\0\x05", 3);

TEST(UserProperty, is_found_behind_every_other_property) {
  EXPECT_EQ(user_property(others + pair("unit", "C"), "unit"), "C");
  EXPECT_EQ(user_property(pair("a", "") + others + pair("unit", "C"), "unit"), "C");
}

TEST(UserProperty, of_two_with_one_name_the_first_counts) {
  EXPECT_EQ(user_property(pair("u", "1") + pair("u", "2"), "u"), "1");
}

TEST(UserProperty, that_is_not_there_is_none) {
  EXPECT_EQ(user_property("", "u"), std::nullopt);
  EXPECT_EQ(user_property(others, "u"), std::nullopt);
  EXPECT_EQ(user_property(pair("uu", "1"), "u"), std::nullopt);
}

TEST(UserProperty, is_never_read_from_beyond_damaged_properties) {
  const std::string whole = others + pair("name", "value");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(user_property(std::string_view(whole).substr(0, n), "name"), std::nullopt) << n;
  }
  EXPECT_EQ(user_property("\x7f" + pair("u", "1"), "u"), std::nullopt);
}

}  // namespace
}  // namespace rowgate::schema
