#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/schema/payload/random_json.hpp"
#include "tests/schema/payload/read_whole.hpp"

namespace rowgate::schema {
namespace {

using nlohmann::json;

std::string read(std::string_view payload) {
  const auto decoder = make_cbor_decoder();
  return read_whole(*decoder, payload);
}

struct Example {
  const char* hex;
  const char* expected;
};

// RFC 8949 appendix A, in its order; where JSON has no word for it, what Rowgate makes of it.
constexpr Example appendix_a[] = {
    {"00", "number 0"},
    {"01", "number 1"},
    {"0a", "number 10"},
    {"17", "number 23"},
    {"1818", "number 24"},
    {"1819", "number 25"},
    {"1864", "number 100"},
    {"1903e8", "number 1000"},
    {"1a000f4240", "number 1000000"},
    {"1b000000e8d4a51000", "number 1000000000000"},
    {"1bffffffffffffffff", "number 18446744073709551615"},
    {"c249010000000000000000", "number 18446744073709551616"},
    {"3bffffffffffffffff", "number -18446744073709551616"},
    {"c349010000000000000000", "number -18446744073709551617"},
    {"20", "number -1"},
    {"29", "number -10"},
    {"3863", "number -100"},
    {"3903e7", "number -1000"},
    {"f90000", "number 0"},
    {"f98000", "number -0"},
    {"f93c00", "number 1"},
    {"fb3ff199999999999a", "number 1.1"},
    {"f93e00", "number 1.5"},
    {"f97bff", "number 65504"},
    {"fa47c35000", "number 1e+05"},
    {"fa7f7fffff", "number 3.4028235e+38"},
    {"fb7e37e43c8800759c", "number 1e+300"},
    {"f90001", "number 5.9604645e-08"},
    {"f90400", "number 6.1035156e-05"},
    {"f9c400", "number -4"},
    {"fbc010666666666666", "number -4.1"},
    {"f97c00", "number Infinity"},
    {"f97e00", "number NaN"},
    {"f9fc00", "number -Infinity"},
    {"fa7f800000", "number Infinity"},
    {"fa7fc00000", "number NaN"},
    {"faff800000", "number -Infinity"},
    {"fb7ff0000000000000", "number Infinity"},
    {"fb7ff8000000000000", "number NaN"},
    {"fbfff0000000000000", "number -Infinity"},
    {"f4", "false"},
    {"f5", "true"},
    {"f6", "null"},
    {"f7", "null"},
    {"f0", "wrong: it has a simple value that means nothing, at byte 1"},
    {"f8ff", "wrong: it has a simple value that means nothing, at byte 2"},
    {"c074323031332d30332d32315432303a30343a30305a", "string 2013-03-21T20:04:00Z"},
    {"c11a514b67b0", "string 2013-03-21T20:04:00.000000Z"},
    {"c1fb41d452d9ec200000", "string 2013-03-21T20:04:00.500000Z"},
    {"d74401020304", "bytes 01020304"},
    {"d818456449455446", "bytes 6449455446"},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", "string http://www.example.com"},
    {"40", "bytes "},
    {"4401020304", "bytes 01020304"},
    {"60", "string "},
    {"6161", "string a"},
    {"6449455446", "string IETF"},
    {"62225c", "string \"\\"},
    {"62c3bc", "string \xc3\xbc"},
    {"63e6b0b4", "string \xe6\xb0\xb4"},
    {"64f0908591", "string \xf0\x90\x85\x91"},
    {"80", "[]"},
    {"83010203", "[1,2,3]"},
    {"8301820203820405", "[1,[2,3],[4,5]]"},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"a0", "{}"},
    {"a201020304", R"({"1":2,"3":4})"},
    {"a26161016162820203", R"({"a":1,"b":[2,3]})"},
    {"826161a161626163", R"(["a",{"b":"c"}])"},
    {"a56161614161626142616361436164614461656145", R"({"a":"A","b":"B","c":"C","d":"D","e":"E"})"},
    {"5f42010243030405ff", "bytes 0102030405"},
    {"7f657374726561646d696e67ff", "string streaming"},
    {"9fff", "[]"},
    {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
    {"9f01820203820405ff", "[1,[2,3],[4,5]]"},
    {"83018202039f0405ff", "[1,[2,3],[4,5]]"},
    {"83019f0203ff820405", "[1,[2,3],[4,5]]"},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"bf61610161629f0203ffff", R"({"a":1,"b":[2,3]})"},
    {"826161bf61626163ff", R"(["a",{"b":"c"}])"},
    {"bf6346756ef563416d7421ff", R"({"Fun":true,"Amt":-2})"},
};

TEST(Cbor, reads_the_examples_of_rfc_8949) {
  for (const Example& example : appendix_a) {
    EXPECT_EQ(read(from_hex(example.hex)), example.expected) << example.hex;
  }
}

TEST(Cbor, decimal_fractions_and_bigfloats_are_numbers) {
  EXPECT_EQ(read(from_hex("c48221196ab3")), "number 273.15");  // section 3.4.4
  EXPECT_EQ(read(from_hex("c48221396ab2")), "number -273.15");
  EXPECT_EQ(read(from_hex("c4822401")), "number 0.00001");
  EXPECT_EQ(read(from_hex("c4820301")), "number 1e3");
  EXPECT_EQ(read(from_hex("c48200c249010000000000000000")), "number 18446744073709551616");
  EXPECT_EQ(read(from_hex("c5822003")), "number 1.5");  // section 3.4.4
  EXPECT_EQ(read(from_hex("c58220c249010000000000000000")),
            "wrong: a tag in it does not fit its value, at byte 5");
  for (const char* bad : {"c401", "c48101",
                          "c4826161"
                          "01",
                          "c4820161"
                          "61",
                          "c2616101"}) {
    EXPECT_TRUE(read(from_hex(bad)).starts_with("wrong: a tag in it does not fit its value"))
        << bad;
  }
}

TEST(Cbor, big_numbers_have_an_end) {
  EXPECT_EQ(read(from_hex("c24a00000000000000000001")), "number 1");
  EXPECT_EQ(read(from_hex("c240")), "number 0");
  EXPECT_EQ(read(from_hex("c340")), "number -1");
  const std::string most = from_hex("c25901a0") + std::string(416, '\xff');
  EXPECT_EQ(read(most).size(), std::string("number ").size() + 1002);
  EXPECT_EQ(read(from_hex("c25901a1") + std::string(417, '\xff')),
            "wrong: a number in it has more than 1000 digits, at byte 421");
}

TEST(Cbor, times_beyond_the_calendar_are_text_that_is_no_time) {
  EXPECT_EQ(read(from_hex("c11b0000003afff44180")), "string 253402300800");
  EXPECT_EQ(read(from_hex("c120")), "string 1969-12-31T23:59:59.000000Z");
  EXPECT_EQ(read(from_hex("c1fb7ff8000000000000")),
            "wrong: a tag in it does not fit its value, at byte 10");
}

TEST(Cbor, a_uuid_is_its_text) {
  EXPECT_EQ(read(from_hex("d82550123e4567e89b12d3a456426614174000")),
            "string 123e4567-e89b-12d3-a456-426614174000");
  EXPECT_EQ(read(from_hex("d8254101")), "bytes 01");
}

TEST(Cbor, tags_may_stand_before_tags) {
  EXPECT_EQ(read(from_hex("d9d9f7a1d81e6161c101")), R"({"a":"1970-01-01T00:00:01.000000Z"})");
  EXPECT_EQ(read(std::string(1'000'000, '\xc6')), "wrong: it ends too early, at byte 1000000");
}

TEST(Cbor, fields_may_be_numbered) {
  EXPECT_EQ(read(from_hex("a3016161206162190100"
                          "6163")),
            R"({"1":"a","-1":"b","256":"c"})");
  EXPECT_EQ(read(from_hex("a1f601")),
            "wrong: a field's name in it is neither text nor a whole number, at byte 2");
}

TEST(Cbor, refuses_what_is_wrong) {
  EXPECT_EQ(read(""), "wrong: it is empty");
  EXPECT_EQ(read(from_hex("0000")), "wrong: something follows the value, at byte 1");
  EXPECT_EQ(read(from_hex("1c")), "wrong: it has a reserved length, at byte 1");
  EXPECT_EQ(read(from_hex("1f")), "wrong: it has a number without an end, at byte 1");
  EXPECT_EQ(read(from_hex("ff")), "wrong: a break stands where a value is expected, at byte 1");
  EXPECT_EQ(read(from_hex("bf6161ff")),
            "wrong: a break stands where a value is expected, at byte 4");
  EXPECT_EQ(read(from_hex("5f6161ff")),
            "wrong: a string in it has a chunk that is none, at byte 2");
  EXPECT_EQ(read(from_hex("62ff00")), "wrong: a string in it is not valid UTF-8");
  EXPECT_EQ(read(std::string(100'000, '\x81')), "wrong: it is nested too deeply");
  EXPECT_EQ(read(std::string(100'000, '\x7f')),
            "wrong: a string in it has a chunk that is none, at byte 2");
  EXPECT_EQ(read(std::string((16U << 20) + 1, '\xf6')), "wrong: it is larger than 16 MiB");
}

TEST(Cbor, a_size_that_lies_costs_no_memory) {
  const auto decoder = make_cbor_decoder();
  for (const char* hex :
       {"9bffffffffffffffff01", "bbffffffffffffffff616101", "5bffffffffffffffff01",
        "7bffffffffffffffff61", "c25bffffffffffffffff61", "5f5bffffffffffffffff"}) {
    std::size_t memory = 0;
    EXPECT_EQ(read_whole(*decoder, from_hex(hex), &memory),
              "wrong: it ends too early, at byte " + std::to_string(from_hex(hex).size()));
    EXPECT_LT(memory, 100U) << hex;
  }
}

TEST(Cbor, reads_what_another_library_writes) {
  const auto decoder = make_cbor_decoder();
  RandomJson random(7);
  for (int i = 0; i < 3000; ++i) {
    const json value = random.object_or_array();
    const std::vector<std::uint8_t> packed = json::to_cbor(value);
    const std::string payload(packed.begin(), packed.end());
    ASSERT_EQ(json::parse(read_whole(*decoder, payload)), value) << value;
    const std::string cut = payload.substr(0, random.below(payload.size()));
    ASSERT_TRUE(read_whole(*decoder, cut).starts_with("wrong: it "))
        << value << " at " << cut.size();
  }
}

TEST(Cbor, no_bytes_are_too_random) {
  const auto decoder = make_cbor_decoder();
  RandomJson random(11);
  for (int i = 0; i < 50'000; ++i) read_whole(*decoder, random.bytes(64));
}

// Why the decoder is ours: the day that this fails, ask again.
TEST(Cbor, another_library_cannot_read_numbered_fields_or_times_or_big_numbers) {
  constexpr auto ignore = json::cbor_tag_handler_t::ignore;
  for (const char* hex : {"a201020304", "c11a514b67b0", "c249010000000000000000", "f7"}) {
    EXPECT_TRUE(json::from_cbor(from_hex(hex), true, false, ignore).is_discarded()) << hex;
  }
}

}  // namespace
}  // namespace rowgate::schema
