#include <gmock/gmock.h>

#include <stdexcept>

#include "gateway/cli/open_sink.hpp"
#include "schema/mapper.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using testing::HasSubstr;

class query_verb : public Scratch {
 protected:
  void create_database() {
    const auto sink = open_sink({config::sink_url(config_), "full"});
    const auto lane = sink->lane({0});
    ASSERT_TRUE(lane->open({"test", "00000000000000000000000000000000", {0}}, {}).has_value());
  }
};

TEST_F(query_verb, prints_rows_in_the_format_asked_for) {
  create_database();
  command_.query.sql = "SELECT 7 AS n, NULL AS x";
  command_.format = Format::csv;
  EXPECT_EQ(run(query), "n,x\n7,\n");
  command_.format = Format::json;
  EXPECT_EQ(run(query), "[\n  {\"n\": \"7\", \"x\": null}\n]\n");
}

TEST_F(query_verb, reads_the_statement_from_standard_input_for_a_hyphen) {
  create_database();
  command_.query.sql = "-";
  command_.format = Format::csv;
  EXPECT_EQ(run(query, "SELECT 1 AS a"), "a\n1\n");
}

TEST_F(query_verb, statement_that_writes_is_refused_and_changes_nothing) {
  create_database();
  command_.query.sql = "DROP TABLE rowgate_dead_letter";
  EXPECT_NE(refusal<std::runtime_error>(query), "");
  command_.query.sql = "SELECT count(*) AS n FROM rowgate_dead_letter";
  command_.format = Format::csv;
  EXPECT_EQ(run(query), "n\n0\n");
}

TEST_F(query_verb, database_that_does_not_exist_is_named_and_not_created) {
  command_.query.sql = "SELECT 1";
  EXPECT_THAT(refusal<std::runtime_error>(query), HasSubstr("telemetry.db"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "telemetry.db"));
}

}  // namespace
}  // namespace rowgate::cli
