#include "gateway/topics/preview.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/mapping_file.hpp"

namespace rowgate::topics {
namespace {

std::shared_ptr<const schema::Catalog> catalog(const std::string& table) {
  const auto parsed = schema::parse_mapping_file(
      "[[mapping]]\nname = \"m\"\ntopic = \"a/{d}\"\ntable = \"" + table +
          "\"\npayload = \"json\"\n[mapping.columns]\nv = { from = \"/v\", type = \"double\" }\n"
          "extra = { from = \"/x\", type = \"jsonb\" }\n",
      1);
  return *parsed;
}

SeenTopic topic(std::string name, std::initializer_list<std::string> payloads) {
  SeenTopic seen;
  seen.topic = std::move(name);
  for (const std::string& payload : payloads) {
    KeptMessage& kept = seen.messages.emplace_back();
    kept.payload = payload;
    kept.received_at = {1'767'225'600'000'000};
  }
  return seen;
}

TEST(preview, rows_before_and_after_stand_side_by_side) {
  const std::vector<SeenTopic> topics{topic("a/1", {R"({"v":1.5,"x":[1]})"})};
  const auto all = preview(catalog("old"), catalog("new"), topics);
  ASSERT_EQ(all.size(), 1U);
  ASSERT_EQ(all[0].before.rows.size(), 1U);
  ASSERT_EQ(all[0].after.rows.size(), 1U);
  EXPECT_EQ(all[0].before.rows[0].table, "old");
  EXPECT_EQ(all[0].after.rows[0].table, "new");
  EXPECT_EQ(all[0].after.rows[0].columns, (std::vector<std::string>{"ts", "v", "extra"}));
  EXPECT_EQ(all[0].after.rows[0].values,
            (std::vector<std::string>{"\"2026-01-01T00:00:00.000000Z\"", "1.5", "[1]"}));
  EXPECT_NE(all[0].before, all[0].after);
}

TEST(preview, dead_letters_have_mapping_and_reason_and_unmapped_is_said) {
  const std::vector<SeenTopic> topics{topic("a/1", {R"({"v":"x"})"}), topic("b", {"1"})};
  const auto all = preview(catalog("t"), catalog("t"), topics);
  ASSERT_EQ(all.size(), 2U);
  ASSERT_EQ(all[0].before.dead_letters.size(), 1U);
  EXPECT_EQ(all[0].before.dead_letters[0].mapping, "m");
  EXPECT_THAT(all[0].before.dead_letters[0].reason, testing::HasSubstr("'v'"));
  EXPECT_TRUE(all[1].before.unmapped);
  EXPECT_EQ(all[0].before, all[0].after);
}

TEST(preview, values_are_json) {
  using schema::Type;
  using schema::Value;
  EXPECT_EQ(json_text(Value()), "null");
  EXPECT_EQ(json_text(Value::of_bool(true)), "true");
  EXPECT_EQ(json_text(Value::of_bigint(-7)), "-7");
  EXPECT_EQ(json_text(Value::of_bytes(Type::text, "a\"b")), R"("a\"b")");
  EXPECT_EQ(json_text(Value::of_bytes(Type::bytea, std::string_view("\x00\xff", 2))),
            R"("\\x00ff")");
  EXPECT_EQ(json_text(Value::of_bytes(Type::uuid, "0123456789abcdef")),
            R"("30313233-3435-3637-3839-616263646566")");
  EXPECT_EQ(json_text(Value::of_bytes(Type::numeric, "12.340")), R"("12.340")");
  EXPECT_EQ(json_text(Value::of_bytes(Type::jsonb, R"({"a":1})")), R"({"a":1})");
}

TEST(preview, payload_is_text_or_hex_and_cut_off) {
  EXPECT_EQ(payload_json("21.5"), R"({"text":"21.5"})");
  EXPECT_EQ(payload_json(std::string("\x00\xff", 2)), R"({"hex":"00ff"})");
  const std::string cut = payload_json(std::string(2'047, 'x') + "\xc3\xa4 and more");
  EXPECT_THAT(cut, testing::HasSubstr("\"truncated\":true"));
  EXPECT_THAT(cut, testing::HasSubstr("x\","));
}

}  // namespace
}  // namespace rowgate::topics
