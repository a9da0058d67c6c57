#include <gmock/gmock.h>

#include <stdexcept>

#include "gateway/cli/open_sink.hpp"
#include "storage/sink/sink.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class check_verb : public Scratch {
 protected:
  /// What serve would do: the table exists afterwards.
  void create(const schema::Table& table) {
    const auto sink = open_sink({config::sink_url(config_), "full"});
    const auto lane = sink->lane({0});
    ASSERT_TRUE(lane->open({"test", "00000000000000000000000000000000", {0}}, {}).has_value());
    ASSERT_TRUE(lane->ensure(table).has_value());
  }
};

TEST_F(check_verb, shows_the_ddl_and_runs_none) {
  config_.mapping = write("plant.toml", climate_mapping);
  const std::string first = run(check);
  EXPECT_EQ(exit_code_, 0) << errors_;
  EXPECT_THAT(first, HasSubstr("mapping: " + config_.mapping + ": ok, 1 mapping into 1 table"));
  EXPECT_THAT(first, HasSubstr("table room_climate: would run\n  CREATE TABLE"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "telemetry.db"));
  EXPECT_EQ(run(check), first);
}

TEST_F(check_verb, says_which_mappings_refuse_and_which_take_presence) {
  command_.check.offline = true;
  config_.mapping = write("plant.toml", R"(
[[mapping]]
name = "strict"
topic = "s/#"
table = "s"
on_error = "reject"
columns = "auto"
[[mapping]]
name = "who"
event = "presence"
table = "p"
columns = "auto"
)");
  const std::string text = run(check);
  EXPECT_EQ(exit_code_, 0) << errors_;
  EXPECT_THAT(text, HasSubstr("\nmapping strict: refuses on arrival what does not fit (0x99)\n"));
  EXPECT_THAT(text, HasSubstr("\nmapping who: takes connects and disconnects of clients\n"));
}

TEST_F(check_verb, names_the_configuration_file) {
  command_.config_file = "rowgate.toml";
  EXPECT_THAT(run(check), HasSubstr("configuration: rowgate.toml: ok\n"));
}

TEST_F(check_verb, says_that_a_table_fits) {
  config_.mapping = write("plant.toml", climate_mapping);
  create({"room_climate",
          {{"ts", schema::Type::timestamptz, true},
           {"site", schema::Type::text, false},
           {"temperature", schema::Type::double_precision, true}},
          {},
          schema::OnConflict::ignore,
          "ts"});
  const std::string text = run(check);
  EXPECT_THAT(text, HasSubstr("table room_climate: fits as it is\n"));
  EXPECT_THAT(text, Not(HasSubstr("CREATE TABLE")));
}

TEST_F(check_verb, fails_for_a_table_that_cannot_be_made_to_fit_and_checks_the_others) {
  config_.mapping = write("plant.toml", climate_mapping);
  create({"room_climate",
          {{"ts", schema::Type::timestamptz, true},
           {"site", schema::Type::text, false},
           {"temperature", schema::Type::text, false}},
          {},
          schema::OnConflict::ignore,
          ""});
  const std::string text = run(check);
  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(errors_, HasSubstr("table room_climate: "));
  EXPECT_THAT(errors_, HasSubstr("temperature"));
  EXPECT_THAT(text, HasSubstr("table rowgate_dead_letter: fits"));
}

TEST_F(check_verb, offline_leaves_the_database_alone) {
  command_.check.offline = true;
  config_.sink = "postgresql://127.0.0.1:1/nowhere";
  EXPECT_THAT(run(check), HasSubstr("--offline"));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(check_verb, database_that_is_away_is_a_failure) {
  config_.sink = "postgresql://ann:s3cret@127.0.0.1:1/nowhere";
  const std::string error = refusal<std::runtime_error>(check);
  EXPECT_THAT(error, HasSubstr("127.0.0.1"));
  EXPECT_THAT(error, Not(HasSubstr("s3cret")));
}

TEST_F(check_verb, broken_mapping_is_refused_with_its_place) {
  config_.mapping = write("plant.toml", "[[mapping]]\nnmae = 'a'\n");
  EXPECT_THAT(refusal<config::ConfigError>(check), HasSubstr("plant.toml:2:1: "));
}

TEST_F(check_verb, unmapped_table_is_left_out_when_nothing_would_be_stored_there) {
  EXPECT_THAT(run(check), HasSubstr("rowgate_unmapped"));
  config_.drain.unmapped = config::Unmapped::drop;
  EXPECT_THAT(run(check), Not(HasSubstr("rowgate_unmapped")));
}

}  // namespace
}  // namespace rowgate::cli
