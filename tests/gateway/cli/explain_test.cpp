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
