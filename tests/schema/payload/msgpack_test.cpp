#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/schema/payload/random_json.hpp"
#include "tests/schema/payload/read_whole.hpp"

namespace rowgate::schema {
namespace {

using nlohmann::json;

std::string read(std::string_view payload) {
  const auto decoder = make_msgpack_decoder();
  return read_whole(*decoder, payload);
}

TEST(Msgpack, reads_the_example_of_its_home_page) {
  EXPECT_EQ(read(from_hex("82a7636f6d70616374c3a6736368656d6100")),
            R"({"compact":true,"schema":0})");
}

// Each format of the specification's table, at its borders.
TEST(Msgpack, reads_every_format) {
  for (const auto& [hex, expected] : std::vector<std::pair<std::string, std::string>>{
           {"00", "number 0"},
           {"7f", "number 127"},
           {"e0", "number -32"},
           {"ff", "number -1"},
           {"ccff", "number 255"},
           {"cdffff", "number 65535"},
           {"ceffffffff", "number 4294967295"},
           {"cfffffffffffffffff", "number 18446744073709551615"},
           {"d080", "number -128"},
           {"d18000", "number -32768"},
           {"d280000000", "number -2147483648"},
           {"d38000000000000000", "number -9223372036854775808"},
           {"ca3dcccccd", "number 0.1"},
           {"cb3fb999999999999a", "number 0.1"},
           {"cb7ff8000000000000", "number NaN"},
           {"c0", "null"},
           {"c2", "false"},
           {"c3", "true"},
           {"a0", "string "},
           {"a161", "string a"},
           {"d90161", "string a"},
           {"da000161", "string a"},
           {"db0000000161", "string a"},
           {"c40101", "bytes 01"},
           {"c5000101", "bytes 01"},
           {"c60000000101", "bytes 01"},
           {"90", "[]"},
           {"9101", "[1]"},
           {"dc000101", "[1]"},
           {"dd0000000101", "[1]"},
           {"80", "{}"},
           {"81a16101", R"({"a":1})"},
           {"de0001a16101", R"({"a":1})"},
           {"df00000001a16101", R"({"a":1})"},
           {"d40501", "bytes 01"},
           {"d5050102", "bytes 0102"},
           {"d60501020304", "bytes 01020304"},
           {"d7050102030405060708", "bytes 0102030405060708"},
           {"d805000102030405060708090a0b0c0d0e0f", "bytes 000102030405060708090a0b0c0d0e0f"},
           {"c7010501", "bytes 01"},
           {"c800010501", "bytes 01"},
           {"c9000000010501", "bytes 01"},
       }) {
    EXPECT_EQ(read(from_hex(hex)), expected) << hex;
  }
}

TEST(Msgpack, a_timestamp_is_iso_8601_text) {
  EXPECT_EQ(read(from_hex("d6ff5c6eb2d7")), "string 2019-02-21T14:16:55.000000Z");
  // 64 bits: 30 of nanoseconds, 34 of seconds.
  EXPECT_EQ(read(from_hex("d7ff1d6f34545c6eb2d7")), "string 2019-02-21T14:16:55.123456Z");
  EXPECT_EQ(read(from_hex("c70cff3b9ac9ffffffffffffffffff")), "string 1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(read(from_hex("c70cff000000007fffffffffffffff")), "string 9223372036854775807");
  EXPECT_EQ(read(from_hex("c70cff3b9aca000000000000000000")),
            "wrong: a timestamp in it has too many nanoseconds, at byte 15");
  EXPECT_EQ(read(from_hex("d5ff0000")),
            "wrong: a timestamp in it is not of 4, 8 or 12 bytes, at byte 4");
}

TEST(Msgpack, fields_may_be_numbered) {
  EXPECT_EQ(read(from_hex("8501a1617fa162ffa163cd0100a164d1ff00a165")),
            R"({"1":"a","127":"b","-1":"c","256":"d","-256":"e"})");
  EXPECT_EQ(read(from_hex("81c001")),
            "wrong: a field's name in it is neither text nor a whole number, at byte 2");
}

// Encoders of before 2013 have no bin: they write bytes as raw, which is str today.
TEST(Msgpack, a_string_that_is_not_utf8_is_bytes) {
  EXPECT_EQ(read(from_hex("a2ff00")), "bytes ff00");
  EXPECT_EQ(read(from_hex("81a1ff00")), "wrong: a field's name in it is not valid UTF-8");
}

TEST(Msgpack, refuses_what_is_wrong) {
  EXPECT_EQ(read(""), "wrong: it is empty");
  EXPECT_EQ(read(from_hex("c1")),
            "wrong: byte 0xc1 stands in it, which no value begins with, at byte 1");
  EXPECT_EQ(read(from_hex("0000")), "wrong: something follows the value, at byte 1");
  EXPECT_EQ(read(std::string(100'000, '\x91')), "wrong: it is nested too deeply");
  EXPECT_EQ(read(std::string((16U << 20) + 1, '\xc0')), "wrong: it is larger than 16 MiB");
}

TEST(Msgpack, a_size_that_lies_costs_no_memory) {
  const auto decoder = make_msgpack_decoder();
  for (const char* hex :
       {"ddffffffff0102", "dfffffffffa16101", "dbffffffff61", "c6ffffffff61", "c9ffffffff0561"}) {
    std::size_t memory = 0;
    EXPECT_EQ(read_whole(*decoder, from_hex(hex), &memory),
              "wrong: it ends too early, at byte " + std::to_string(from_hex(hex).size()));
    EXPECT_LT(memory, 100U) << hex;
  }
}

TEST(Msgpack, reads_what_another_library_writes) {
  const auto decoder = make_msgpack_decoder();
  RandomJson random(7);
  for (int i = 0; i < 3000; ++i) {
    const json value = random.object_or_array();
    const std::vector<std::uint8_t> packed = json::to_msgpack(value);
    const std::string payload(packed.begin(), packed.end());
    ASSERT_EQ(json::parse(read_whole(*decoder, payload)), value) << value;
    const std::string cut = payload.substr(0, random.below(payload.size()));
    ASSERT_TRUE(read_whole(*decoder, cut).starts_with("wrong: it "))
        << value << " at " << cut.size();
  }
}

TEST(Msgpack, no_bytes_are_too_random) {
  const auto decoder = make_msgpack_decoder();
  RandomJson random(11);
  for (int i = 0; i < 50'000; ++i) read_whole(*decoder, random.bytes(64));
}

// Why the decoder is ours: the day that this fails, ask again.
TEST(Msgpack, another_library_cannot_read_numbered_fields) {
  const std::string numbered = from_hex("8101a161");
  EXPECT_TRUE(json::from_msgpack(numbered, true, false).is_discarded());
}

}  // namespace
}  // namespace rowgate::schema
