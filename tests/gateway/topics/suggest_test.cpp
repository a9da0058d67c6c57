#include "gateway/topics/suggest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/topics/preview.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::topics {
namespace {

using testing::HasSubstr;
using testing::Not;

SeenTopic topic(std::string name, std::initializer_list<std::string> payloads) {
  SeenTopic seen;
  seen.topic = std::move(name);
  for (const std::string& payload : payloads) seen.messages.emplace_back().payload = payload;
  return seen;
}

/// Suggests, and takes the suggestion: it must be a mapping that turns the topic's messages into
/// rows.
std::string taken(const SeenTopic& seen, const std::vector<SeenTopic>& neighbours = {},
                  const std::string& in_force = "") {
  std::shared_ptr<const schema::Catalog> catalog = schema::built_in_catalog();
  if (!in_force.empty()) catalog = *schema::parse_mapping_file(in_force, 1);
  std::string text = suggest(seen, neighbours, *catalog);
  const auto parsed = schema::parse_mapping_file(in_force + text, 2);
  if (parsed.has_error()) {
    ADD_FAILURE() << schema::format_errors("suggested", parsed.error()) << text;
    return text;
  }
  for (const PreviewMessage& message : preview(catalog, *parsed, {&seen, 1})) {
    EXPECT_FALSE(message.after.unmapped) << text;
    EXPECT_FALSE(message.after.rows.empty()) << text;
    EXPECT_TRUE(message.after.dead_letters.empty())
        << message.after.dead_letters.front().reason << "\n"
        << text;
  }
  return text;
}

TEST(suggest, block_has_pattern_table_time_key_and_typed_columns) {
  const std::string payload = R"({"ts":1795244979123,"temp":21,"ok":true,"unit":"C"})";
  EXPECT_EQ(taken(topic("site/berlin/room/12/climate", {payload}),
                  {topic("site/berlin/room/attic/climate", {payload})}),
            R"(# Suggested from 1 messages on "site/berlin/room/12/climate".
[[mapping]]
name = "climate"
topic = "site/berlin/room/{room}/climate"
table = "climate"
payload = "json"
time = { from = "/ts", format = "unix_ms" }
# key = ["room", "ts"]  # a message that is sent again then makes no second row

[mapping.columns]
room = { topic = "room", type = "text" }
temp = { from = "/temp", type = "double" }  # 21
ok = { from = "/ok", type = "boolean" }  # true
unit = { from = "/unit", type = "text" }  # "C"
)");
}

TEST(suggest, levels_that_vary_among_topics_that_look_alike_are_captures) {
  const auto seen = topic("plant/press/temp", {"21.5"});
  EXPECT_THAT(taken(seen, {topic("plant/oven/temp", {"3"})}),
              HasSubstr(R"(topic = "plant/{plant}/temp")"));
  EXPECT_THAT(taken(seen, {topic("plant/oven/temp", {R"({"other":1})"})}),
              HasSubstr(R"(topic = "plant/press/temp")"));
  EXPECT_THAT(taken(seen, {topic("else/oven/temp", {"3"})}),
              HasSubstr(R"(topic = "plant/press/temp")"));
}

TEST(suggest, level_that_is_a_number_or_an_address_is_a_capture_by_itself) {
  EXPECT_THAT(taken(topic("devices/a4cf12ef/state", {"on"})),
              HasSubstr(R"(topic = "devices/{device}/state")"));
  EXPECT_THAT(taken(topic("x/17/18", {"1"})), HasSubstr(R"(topic = "x/{x}/{level3}")"));
}

TEST(suggest, names_that_are_taken_get_a_number) {
  const std::string text =
      taken(topic("a/climate", {R"({"v":1})"}), {},
            "[[mapping]]\nname = \"climate\"\ntopic = \"b\"\ntable = \"climate\"\n"
            "[mapping.columns]\nv = { from = \"/v\", type = \"text\" }\n");
  EXPECT_THAT(text, HasSubstr("name = \"climate-2\""));
  EXPECT_THAT(text, HasSubstr("table = \"climate_2\""));
}

TEST(suggest, topic_that_is_mapped_already_says_so) {
  const std::string in_force =
      "[[mapping]]\nname = \"all\"\ntopic = \"a/#\"\ntable = \"t\"\npayload = \"json\"\n"
      "[mapping.columns]\nv = { from = \"/v\", type = \"double\" }\n";
  EXPECT_THAT(taken(topic("a/b", {R"({"v":1})"}), {}, in_force),
              HasSubstr("# Mapping \"all\" (\"a/#\") takes this topic already."));
  EXPECT_THAT(taken(topic("a/b", {R"({"v":1})"})), Not(HasSubstr("already")));
}

TEST(suggest, strange_names_and_payloads_still_make_a_mapping) {
  taken(topic("Über/{x}/a+b", {R"({"ts":1,"TS":2,"a b":3,"":4,"\n":"\u007f","1st":5})"}));
  taken(topic("//", {"1"}));
  taken(topic("a/rowgate_x", {R"({"select":1,"value":{"x":[1,2]},"rowgate_":null})"}));
  taken(topic("a", {std::string("\x00\xff", 2)}));
  taken(topic("rows", {R"({"id":1,"samples":[{"t":1,"v":2},{"t":2}]})"}));
  taken(topic("list", {R"([{"v":2},{"v":3}])"}));
  taken(topic("lines", {"{\"a\":1}\n{\"a\":2}\n"}));
  taken(topic("mixed", {R"({"a":1})", R"({"a":"x"})", R"({"a":null})"}));
}

}  // namespace
}  // namespace rowgate::topics
