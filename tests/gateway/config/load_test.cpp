#include "gateway/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace rowgate::config {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string errors_of(const std::string& text, const Variables& environment = {},
                      const Overrides& overrides = {}) {
  try {
    load_text(text, "rowgate.toml", environment, overrides);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

TEST(load, nothing_given_means_the_defaults) {
  const Config config = load("", {}, {});
  EXPECT_EQ(config.mqtt.listen.port, 1883);
  EXPECT_EQ(config.data_dir, "./rowgate-data");
  EXPECT_EQ(config.drain.max_age, std::chrono::milliseconds(100));
}

TEST(load, file_sets_options_of_every_kind) {
  const Config config = load_text(R"(
mapping = "plant.toml"
sink = "postgresql://db/plant"
[mqtt]
listen = "[::1]:1884"
receive_maximum = 20
[journal]
max_bytes = "2 GiB"
segment_bytes = 33554432
[drain]
max_age = "250 ms"
unmapped = "drop"
[log]
format = "json"
)",
                                  "rowgate.toml", {}, {});
  EXPECT_EQ(config.mapping, "plant.toml");
  EXPECT_EQ(config.sink, "postgresql://db/plant");
  EXPECT_EQ(config.mqtt.listen.host, "::1");
  EXPECT_EQ(config.mqtt.listen.port, 1884);
  EXPECT_EQ(config.mqtt.receive_maximum, 20);
  EXPECT_EQ(config.journal.max_bytes, 2ULL << 30);
  EXPECT_EQ(config.journal.segment_bytes, 32ULL << 20);
  EXPECT_EQ(config.drain.max_age, std::chrono::milliseconds(250));
  EXPECT_EQ(config.drain.unmapped, Unmapped::drop);
  EXPECT_EQ(config.log.format, LogFormat::json);
}

TEST(load, dotted_keys_are_the_same_as_tables) {
  EXPECT_EQ(load_text("log.level = 'debug'", "f", {}, {}).log.level, "debug");
}

TEST(load, flag_wins_over_environment_and_environment_over_file) {
  const std::string file = "log.level = 'debug'\ndata_dir = 'file'\ngateway = 'file'";
  const Config config = load_text(
      file, "f", {{"ROWGATE_DATA_DIR", "env"}, {"ROWGATE_GATEWAY", "env"}}, {{"gateway", "flag"}});
  EXPECT_EQ(config.log.level, "debug");
  EXPECT_EQ(config.data_dir, "env");
  EXPECT_EQ(config.gateway, "flag");
}

TEST(load, unknown_key_is_an_error_with_its_place_and_the_nearest_key) {
  EXPECT_EQ(errors_of("[journal]\n  max_byte = 1\n"),
            "rowgate.toml:2:3: unknown key 'journal.max_byte' (did you mean 'journal.max_bytes'?)");
}

TEST(load, unknown_table_is_reported_once) {
  EXPECT_EQ(errors_of("[jurnal]\na = 1\nb = 2\n"),
            "rowgate.toml:1:2: unknown table 'jurnal' (did you mean 'journal'?)");
}

TEST(load, wrong_type_says_what_was_expected_and_where) {
  EXPECT_EQ(errors_of("io.threads = '4'"),
            "rowgate.toml:1:14: io.threads: expected a whole number from 0 to 256, got a string");
  EXPECT_THAT(errors_of("drain.max_age = 100"), HasSubstr("\"100 ms\""));
  EXPECT_THAT(errors_of("log = 3"),
              HasSubstr("log: expected a table of options, [log], got an integer"));
  EXPECT_THAT(errors_of("sink = { url = 'x' }"), HasSubstr("got a table"));
  EXPECT_THAT(errors_of("mqtt.listen = true"), HasSubstr("got a boolean"));
}

TEST(load, all_errors_are_reported_together_in_the_order_of_the_file) {
  const std::string errors =
      errors_of("sinc = 'x'\n[mqtt]\nlisten = '1883'\n[drain]\nmax_rows = 0\n",
                {{"ROWGATE_LOG_LEVEL", "loud"}}, {{"http.listen", "nowhere"}});
  EXPECT_EQ(errors,
            "rowgate.toml:1:1: unknown key 'sinc' (did you mean 'sink'?)\n"
            "rowgate.toml:3:10: mqtt.listen: expected HOST:PORT such as 0.0.0.0:1883 or "
            "[::1]:1883, got '1883'\n"
            "rowgate.toml:5:12: drain.max_rows: expected a whole number from 1 to 10000000, got "
            "'0'\n"
            "ROWGATE_LOG_LEVEL: log.level: expected one of trace, debug, info, warn, error, got "
            "'loud'\n"
            "--http: http.listen: expected HOST:PORT such as 0.0.0.0:1883 or [::1]:1883, got "
            "'nowhere'");
}

TEST(load, text_that_is_not_toml_is_an_error_with_its_place) {
  EXPECT_THAT(errors_of("mapping = \"a\"\nsink = postgresql://db\n"),
              HasSubstr("rowgate.toml:2:8: not TOML"));
}

TEST(load, key_set_twice_is_an_error) {
  EXPECT_THAT(errors_of("gateway = 'a'\ngateway = 'b'\n"), HasSubstr("rowgate.toml:2:"));
}

TEST(load, options_that_contradict_each_other_name_both_and_their_origins) {
  const std::string error = errors_of("[mqtt]\nmax_packet_bytes = '16 MiB'\n");
  EXPECT_THAT(error, HasSubstr("mqtt.max_packet_bytes (16 MiB, rowgate.toml:2:20)"));
  EXPECT_THAT(error, HasSubstr("journal.batch_bytes (8 MiB, default)"));
}

TEST(load, segments_that_the_journal_has_no_room_for_are_refused) {
  EXPECT_THAT(errors_of("", {{"ROWGATE_JOURNAL_MAX_BYTES", "128 MiB"}}),
              HasSubstr("journal.max_bytes (128 MiB, ROWGATE_JOURNAL_MAX_BYTES)"));
}

TEST(load, unknown_variable_is_a_warning_with_the_nearest_name) {
  std::vector<std::string> warnings;
  load("", {{"ROWGATE_DATADIR", "/data"}, {"ROWGATE_SERVICE_HOST", "10.0.0.1"}}, {}, &warnings);
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0],
            "ROWGATE_DATADIR: no option has this variable, ignored (did you mean "
            "'ROWGATE_DATA_DIR'?)");
  EXPECT_THAT(warnings[1], HasSubstr("ROWGATE_SERVICE_HOST"));
}

TEST(load, empty_variable_counts_as_not_set) {
  EXPECT_EQ(load("", {{"ROWGATE_LOG_LEVEL", ""}}, {}).log.level, "info");
}

TEST(load, variable_for_the_file_itself_is_known) {
  std::vector<std::string> warnings;
  load("", {{"ROWGATE_CONFIG", "x.toml"}}, {}, &warnings);
  EXPECT_TRUE(warnings.empty());
}

TEST(load, password_of_a_wrong_sink_is_not_shown) {
  EXPECT_THAT(errors_of("sink = 'mysql://ann:s3cret@db/x'"), Not(HasSubstr("s3cret")));
}

TEST(load, missing_file_is_named_with_the_reason) {
  try {
    load("/nonexistent/rowgate.toml", {}, {});
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nonexistent/rowgate.toml"));
    EXPECT_THAT(e.what(), HasSubstr("No such file"));
  }
}

TEST(load, directory_in_place_of_the_file_is_an_error) {
  EXPECT_THROW(load("/tmp", {}, {}), ConfigError);
}

TEST(load, file_is_read_from_disk_and_named_in_errors) {
  const std::string path = testing::TempDir() + "rowgate-load-test.toml";
  std::ofstream(path) << "gatway = 'a'\n";
  try {
    load(path, {}, {});
    ADD_FAILURE();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()).rfind(path + ":1:1: ", 0), 0U) << e.what();
  }
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_EQ(load(path, {}, {}).gateway, "");
  std::remove(path.c_str());
}

TEST(load, environment_finds_the_variables_of_this_process) {
  ::setenv("ROWGATE_GATEWAY", "here", 1);
  const Variables found = environment();
  ::unsetenv("ROWGATE_GATEWAY");
  EXPECT_THAT(found,
              testing::Contains(std::pair<std::string, std::string>("ROWGATE_GATEWAY", "here")));
}

}  // namespace
}  // namespace rowgate::config
