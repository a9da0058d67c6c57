#include <gmock/gmock.h>

#include <stdexcept>

#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using testing::HasSubstr;

class explain_verb : public Scratch {};

TEST_F(explain_verb, shows_mapping_table_and_values) {
  config_.mapping = write("plant.toml", climate_mapping);
  command_.explain.topic = "site/north/climate";
  command_.explain.payload = R"({"temp": 21.5})";
  const std::string text = run(explain);
  for (const char* word : {"room-climate", "room_climate", "north", "21.5"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(explain_verb, says_why_a_message_is_no_row) {
  config_.mapping = write("plant.toml", climate_mapping);
  command_.explain.topic = "site/north/climate";
  command_.explain.payload = "{}";
  EXPECT_THAT(run(explain), HasSubstr("temperature"));
}

TEST_F(explain_verb, reads_the_payload_from_standard_input_for_a_hyphen) {
  command_.explain.topic = "meter";
  command_.explain.payload = "-";
  EXPECT_THAT(run(explain, "from-stdin"), HasSubstr("from-stdin"));
}

TEST_F(explain_verb, reads_the_payload_from_a_file) {
  command_.explain.topic = "meter";
  command_.explain.payload_file = write("payload", "from-file");
  EXPECT_THAT(run(explain), HasSubstr("from-file"));
  command_.explain.payload_file = (directory_ / "missing").string();
  EXPECT_THAT(refusal<std::runtime_error>(explain), HasSubstr("missing: No such file"));
}

TEST_F(explain_verb, shows_the_statement_in_the_words_of_the_sink) {
  config_.mapping = write("plant.toml", climate_mapping);
  command_.explain.topic = "site/it's/climate";
  command_.explain.payload = R"({"temp": 21.5})";
  EXPECT_THAT(run(explain), HasSubstr("INSERT INTO \"room_climate\" (\"ts\", \"site\", "));
  EXPECT_THAT(run(explain), HasSubstr("'it''s', 21.5);"));
  config_.sink = "postgresql://nobody@127.0.0.1:1/nowhere";  // is not asked
  EXPECT_THAT(run(explain), HasSubstr("INSERT INTO \"room_climate\""));
}

TEST_F(explain_verb, payload_may_be_a_file_or_hex_digits) {
  command_.explain.topic = "meter";
  command_.explain.payload = "@" + write("payload", "from-file");
  EXPECT_THAT(run(explain), HasSubstr("from-file"));
  command_.explain.payload = "32 31\n2e35";
  command_.explain.hex = true;
  EXPECT_THAT(run(explain), HasSubstr("'21.5'"));
  for (const char* wrong : {"1", "1 2", "0x31", "zz"}) {
    command_.explain.payload = wrong;
    EXPECT_THAT(refusal<config::ConfigError>(explain), HasSubstr("hex")) << wrong;
  }
}

TEST_F(explain_verb, properties_reach_the_mapping) {
  config_.mapping = write("plant.toml", R"(
[[mapping]]
name = "any"
topic = "#"
table = "t"
payload = "raw"
[mapping.columns]
unit = { meta = "user_property:unit" }
)");
  command_.explain.topic = "meter";
  command_.explain.payload = "1";
  command_.explain.content_type = "text/plain";
  command_.explain.properties = {"x=", "unit=kWh=1"};
  EXPECT_THAT(run(explain), HasSubstr("'kWh=1'"));
  command_.explain.properties = {"unit"};
  EXPECT_THAT(refusal<config::ConfigError>(explain), HasSubstr("NAME=VALUE"));
}

TEST_F(explain_verb, publisher_is_who_the_flags_say) {
  command_.explain.topic = "meter";
  command_.explain.client_id = "press-4";
  EXPECT_THAT(run(explain), HasSubstr("press-4"));
}

TEST_F(explain_verb, refuses_what_no_client_can_publish_to) {
  for (const std::string& topic :
       {std::string(), std::string("a/+"), std::string("a/#"), std::string("a\xff"),
        std::string("a\0b", 3), std::string(65'536, 'a')}) {
    command_.explain.topic = topic;
    EXPECT_NE(refusal<config::ConfigError>(explain), "") << topic.substr(0, 10);
  }
}

}  // namespace
}  // namespace rowgate::cli
