#include "gateway/topics/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowgate::topics {
namespace {

PayloadShape shape(std::initializer_list<std::string> payloads) {
  std::vector<KeptMessage> messages;
  for (const std::string& payload : payloads) messages.emplace_back().payload = payload;
  return shape_of(messages);
}

/// "/temp double"...
std::vector<std::string> fields(std::initializer_list<std::string> payloads) {
  std::vector<std::string> all;
  for (const FoundField& field : shape(payloads).fields) {
    all.push_back(field.pointer + " " + std::string(schema::type_name(field.type)));
  }
  return all;
}

TEST(fields, types_are_those_of_the_values) {
  EXPECT_THAT(
      fields(
          {R"({"n":1,"d":1.5,"s":"x","b":true,"id":"123e4567-e89b-12d3-a456-426614174000",)"
           R"("seen":"2026-11-21T07:00:00Z","big":9007199254740993,"list":[1],"nothing":null})"}),
      testing::ElementsAre("/n double", "/d double", "/s text", "/b boolean", "/id uuid",
                           "/seen timestamptz", "/big bigint", "/list jsonb"));
}

TEST(fields, objects_are_walked_and_keys_escaped) {
  EXPECT_THAT(fields({R"({"a":{"b/c":{"d~e":1}},"":2})"}),
              testing::ElementsAre("/a/b~1c/d~0e double", "/ double"));
}

TEST(fields, type_that_changes_is_the_one_that_takes_both) {
  EXPECT_THAT(fields({R"({"a":1,"b":"x","c":"2026-11-21T07:00:00Z","d":9007199254740993})",
                      R"({"a":"1","b":"y","c":"never","d":1.5})"}),
              testing::ElementsAre("/a jsonb", "/b text", "/c text", "/d double"));
}

TEST(fields, one_array_of_objects_is_the_rows) {
  const PayloadShape found = shape({R"({"id":"x","samples":[{"t":1,"v":2},{"t":2}]})"});
  EXPECT_EQ(found.rows, "/samples");
  EXPECT_EQ(found.looked_at, 2U);
  ASSERT_EQ(found.fields.size(), 2U);
  EXPECT_EQ(found.fields[1].seen, 1U);
  EXPECT_EQ(shape({R"([{"v":2}])"}).rows, "");
  EXPECT_EQ(shape({R"({"a":[{"v":1}],"b":[{"v":1}]})"}).rows, std::nullopt);
}

TEST(fields, time_is_known_by_name_and_size) {
  const auto time = [](const std::string& payload) {
    const auto found = shape({payload}).time;
    return found ? found->pointer + " " + word_of(found->format) : std::string();
  };
  EXPECT_EQ(time(R"({"ts":1795244979,"v":1})"), "/ts unix_s");
  EXPECT_EQ(time(R"({"v":1,"Time":1795244979123})"), "/Time unix_ms");
  EXPECT_EQ(time(R"({"m":{"timestamp":1795244979123456}})"), "/m/timestamp unix_us");
  EXPECT_EQ(time(R"({"ts":1795244979123456789})"), "/ts unix_ns");
  EXPECT_EQ(time(R"({"time":"2026-11-21T07:00:00Z"})"), "/time iso8601");
  EXPECT_EQ(time(R"({"ts":12})"), "") << "seconds since the device began";
  EXPECT_EQ(time(R"({"ts":"soon"})"), "");
}

TEST(fields, time_that_is_not_in_every_message_is_not_taken) {
  EXPECT_FALSE(shape({R"({"ts":1795244979,"v":1})", R"({"v":1})"}).time);
}

TEST(fields, other_payloads_are_scalar_ndjson_or_raw) {
  EXPECT_EQ(shape({"21.5", "3"}).payload, schema::Payload::scalar);
  EXPECT_THAT(fields({"21.5", "3"}), testing::ElementsAre(" double"));
  EXPECT_THAT(fields({"21.5", "on"}), testing::ElementsAre(" text"));
  EXPECT_EQ(shape({"{\"a\":1}\n{\"a\":2}\n"}).payload, schema::Payload::ndjson);
  EXPECT_EQ(shape({std::string("\x00\xff", 2)}).payload, schema::Payload::raw);
  EXPECT_EQ(shape_of({}).payload, schema::Payload::raw);
}

}  // namespace
}  // namespace rowgate::topics
