#include "schema/payload/json.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

struct Wanted {
  explicit Wanted(std::initializer_list<std::string_view> pointers) {
    std::vector<std::size_t> handles;
    for (const std::string_view p : pointers) handles.push_back(tree.add(p));
    tree.finish();
    for (const std::size_t h : handles) slots.push_back(tree.slot_of(h));
    fields.resize(tree.size());
  }
  bool read(std::string_view payload, std::vector<Leaf>* leaves = nullptr) {
    return reader.open(payload) && reader.read(tree, fields, leaves);
  }
  const Field& operator[](std::size_t i) const { return fields[slots[i]]; }

  JsonReader reader;
  FieldTree tree;
  std::vector<std::uint32_t> slots;
  std::vector<Field> fields;
};

TEST(Json, finds_fields_at_any_depth_and_in_any_order) {
  Wanted w{"/a", "/b/c", "/d/1/e", "", "/~0x~1y"};
  const std::string payload = R"( {"d":[0,{"e":null}],"~x/y":[1, 2],"b":{"c":"z"},"a":-1.5e3} )";
  ASSERT_TRUE(w.read(payload));
  EXPECT_EQ(w[0].kind, Kind::number);
  EXPECT_EQ(w[0].text, "-1.5e3");
  EXPECT_EQ(w[1].kind, Kind::string);
  EXPECT_EQ(w[1].text, "z");
  EXPECT_EQ(w[2].kind, Kind::null);
  EXPECT_EQ(w[3].kind, Kind::object);
  EXPECT_EQ(w[3].text, trimmed(payload));
  EXPECT_EQ(w[4].text, "[1, 2]");
  EXPECT_EQ(w[4].elements, 2U);
}

TEST(Json, fields_are_views_into_the_payload) {
  Wanted w{"/a"};
  const std::string payload = R"({"a":"text"})";
  ASSERT_TRUE(w.read(payload));
  EXPECT_EQ(w[0].text.data(), payload.data() + 6);
}

TEST(Json, a_field_that_is_not_there_is_absent_also_after_a_message_that_had_it) {
  Wanted w{"/a", "/b/c"};
  ASSERT_TRUE(w.read(R"({"a":1,"b":{"c":2}})"));
  ASSERT_TRUE(w.read(R"({"b":3})"));
  EXPECT_EQ(w[0].kind, Kind::absent);
  EXPECT_EQ(w[1].kind, Kind::absent);
}

TEST(Json, of_a_key_that_occurs_twice_the_last_counts_with_all_below_it) {
  Wanted w{"/a/b", "/a/c"};
  ASSERT_TRUE(w.read(R"({"a":{"b":1,"c":2},"a":{"b":3}})"));
  EXPECT_EQ(w[0].text, "3");
  EXPECT_EQ(w[1].kind, Kind::absent);
}

TEST(Json, keys_are_compared_after_their_escapes) {
  Wanted w{"/tür", "/a\"b"};
  ASSERT_TRUE(w.read(R"({"t\u00fcr":1,"a\"b":2})"));
  EXPECT_EQ(w[0].text, "1");
  EXPECT_EQ(w[1].text, "2");
}

TEST(Json, refuses_what_is_not_json_wherever_it_stands) {
  Wanted w{"/a"};
  for (const std::string_view bad : {"",
                                     " ",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     "{\"a\"}",
                                     "{\"a\":}",
                                     "{\"a\":1,}",
                                     "{a:1}",
                                     "{\"a\":1 \"b\":2}",
                                     "[1,]",
                                     "[,1]",
                                     "[1 2]",
                                     "tru",
                                     "nul",
                                     "truee",
                                     "01",
                                     "1.",
                                     "+1",
                                     "NaN",
                                     "Infinity",
                                     "'a'",
                                     "\"a",
                                     "\"a\"b",
                                     "{\"a\":1}}",
                                     "{\"a\":1}x",
                                     "[1]]",
                                     "{\"b\":01}",
                                     "{\"b\":tru}",
                                     "{\"b\":[1,{\"c\":nul}]}",
                                     "{\"b\":\"\\q\"}",
                                     "{\"b\":\"\\u12\"}",
                                     "{\"b\":\"\\udc00\"}",
                                     "{\"b\":\"\\ud800\\u0041\"}",
                                     "\"\t\"",
                                     "{1:2}",
                                     "1\x01",
                                     "{\"b\":1\x0b}",
                                     "// x\n1",
                                     "{\"b\"::1}",
                                     "[1,2",
                                     "[\"a\":1]"}) {
    EXPECT_FALSE(w.read(bad)) << bad;
    EXPECT_FALSE(w.reader.error().what.empty()) << bad;
  }
  EXPECT_FALSE(w.read(std::string_view("1\0", 2)));
  EXPECT_FALSE(w.read("\"\xff\""));
  EXPECT_FALSE(w.read("\"\xed\xa0\x80\""));
}

TEST(Json, takes_every_kind_of_value_as_a_document) {
  Wanted w{""};
  for (const std::string_view good :
       {"1", " -0.5 ", "\"\"", "true", "null", "[]", "{}", "\n[1]\r\n"}) {
    EXPECT_TRUE(w.read(good)) << good;
  }
}

TEST(Json, a_truncated_document_is_refused_at_every_byte) {
  Wanted w{"/a"};
  const std::string_view whole =
      R"({"a":[1,2.5e-3,"x\u00e9y",{"b":null,"c":[true,false]}],"d":"\\"})";
  ASSERT_TRUE(w.read(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(w.read(whole.substr(0, n))) << n;
}

TEST(Json, depth_and_size_are_limited) {
  Wanted w{"/a"};
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(w.read(nested(64)));
  EXPECT_FALSE(w.read(nested(66)));
  EXPECT_EQ(w.reader.error().what, "it is nested too deeply");
  EXPECT_FALSE(w.read(nested(1'000'000)));
  JsonReader small(PayloadLimits{.bytes = 4});
  EXPECT_FALSE(small.open("12345"));
}

TEST(Json, marks_strings_and_documents_that_mean_nul) {
  Wanted w{"/a", "/b", "/c"};
  ASSERT_TRUE(w.read(R"({"a":"x\u0000","b":{"c":["\u0000"]},"c":"\\u0000"})"));
  EXPECT_TRUE(w[0].nul);
  EXPECT_TRUE(w[1].nul);
  EXPECT_FALSE(w[2].nul);
}

TEST(Json, leaves_are_the_fields_no_pointer_names) {
  Wanted w{"/ts", "/whole"};
  std::vector<Leaf> leaves;
  ASSERT_TRUE(
      w.read(R"({"ts":1,"a":2,"b":{"c":{"d":"x"},"e":[1]},"whole":{"f":1},"g":null})", &leaves));
  std::string all;
  for (const Leaf& leaf : leaves) {
    all += std::string(w.reader.path(leaf)) + "=" + std::string(leaf.field.text) + ";";
  }
  EXPECT_EQ(all, "a=2;b_c_d=x;b_e=[1];g=null;");
}

TEST(Json, the_number_of_leaves_is_limited) {
  Wanted w{};
  std::vector<Leaf> leaves;
  std::string payload = "{";
  for (int i = 0; i < 10'001; ++i) payload += "\"" + std::to_string(i) + "\":1,";
  payload.back() = '}';
  EXPECT_FALSE(w.read(payload, &leaves));
  EXPECT_TRUE(w.read(payload));
}

// simdjson's first stage works on blocks; it must not read past the payload, which may end a page.
TEST(Json, never_reads_past_the_payload) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  auto* memory = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(memory + page, page, PROT_NONE), 0);
  Wanted w{"/a"};
  for (std::size_t n = 0; n < 300; ++n) {
    const std::string payload = "{\"a\":\"" + std::string(n, 'x') + "\"}";
    char* at = memory + page - payload.size();
    std::memcpy(at, payload.data(), payload.size());
    ASSERT_TRUE(w.read({at, payload.size()})) << n;
    ASSERT_FALSE(w.read({at + 1, payload.size() - 1}));
  }
  munmap(memory, 2 * page);
}

TEST(Json, random_damage_is_refused_or_read_but_never_more) {
  std::mt19937 random(11);
  Wanted w{"/a", "/b/c", "/d/0", "/d"};
  const std::string whole = R"({"a":1.5,"b":{"c":"x\n\u0041"},"d":[{"e":[]},null,true],"f":"é"})";
  std::vector<Leaf> leaves;
  for (int i = 0; i < 20'000; ++i) {
    std::string payload = whole;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      payload[random() % payload.size()] = static_cast<char>(random());
    }
    const auto* begin = payload.data();
    if (!w.read(payload, &leaves)) continue;
    for (const Field& f : w.fields) {
      if (f.kind == Kind::absent) continue;
      ASSERT_GE(f.text.data(), begin);
      ASSERT_LE(f.text.data() + f.text.size(), begin + payload.size());
    }
  }
}

TEST(Escapes, become_what_they_stand_for) {
  const std::string_view raw = R"(a\"\\\/\b\f\n\r\tA\u00e9\u20ac\ud83d\ude00z)";
  std::string out(raw.size(), '\0');
  out.resize(unescape(raw, out.data()));
  EXPECT_EQ(out, "a\"\\/\b\f\n\r\tAé€😀z");
}

}  // namespace
}  // namespace rowgate::schema
