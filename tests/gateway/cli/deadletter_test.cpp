// The verbs on a SQLite file with dead letters in it.
#include <gmock/gmock.h>

#include <stdexcept>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/open_sink.hpp"
#include "schema/mapper.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class kept_verbs : public Scratch {
 protected:
  void SetUp() override {
    config_.mapping = write("plant.toml", climate_mapping);
    const auto catalog = load_catalog(config_.mapping, 1);
    sink_ = open_sink({config::sink_url(config_), "full"});
    const auto lane = sink_->lane({0});
    ASSERT_TRUE(lane->connect());
    schema::Mapper mapper(catalog);
    schema::BatchSet batches(*catalog);
    std::uint64_t position = 0;
    for (const auto& [topic, payload] : sent_) {
      mapper.map({.topic = topic,
                  .client_id = "device-1",
                  .payload = payload,
                  .properties = properties_,
                  .received_at = Timestamp{1'700'000'000'000'000},
                  .position = ++position},
                 0, true, batches);
    }
    ASSERT_TRUE(lane->begin());
    for (schema::RowBatch* rows : {&batches.dead_letters(), &batches.unmapped()}) {
      ASSERT_TRUE(lane->insert({rows, 0, rows->rows()}, false));
    }
    ASSERT_TRUE(lane->commit_without_checkpoint());
  }
  std::string first_cell(const std::string& sql) {
    const auto answer = sink_->query(sql);
    return answer ? answer->rows.at(0).at(0).value_or("NULL") : answer.error().message;
  }

  std::vector<std::pair<std::string, std::string>> sent_ = {
      {"site/a/climate", R"({"t": 1.5})"}, {"site/b/climate", "\x1b[2J"}, {"elsewhere", "1"}};
  std::string properties_{"\x26\x00\x01k\x00\x01v", 7};
  std::unique_ptr<storage::Sink> sink_;
};

TEST_F(kept_verbs, list_prints_what_tells_one_from_another) {
  EXPECT_THAT(run(kept_list), AllOf(HasSubstr("site/a/climate"), HasSubstr("room-climate"),
                                    HasSubstr("the payload has no /temp"), HasSubstr("(2 rows)")));
  command_.kept.topic = "+/a/#";
  EXPECT_THAT(run(kept_list), HasSubstr("(1 row)"));
  command_.kept.topic = "";
  command_.kept.limit = 1;
  command_.format = Format::csv;
  EXPECT_THAT(run(kept_list), AllOf(HasSubstr("site/b"), Not(HasSubstr("site/a"))));
}

TEST_F(kept_verbs, list_of_unmapped_messages_has_their_payloads) {
  command_.kept.unmapped = true;
  EXPECT_THAT(run(kept_list), AllOf(HasSubstr("elsewhere"), HasSubstr("payload"),
                                    Not(HasSubstr("reason")), HasSubstr("(1 row)")));
}

TEST_F(kept_verbs, show_tells_what_todays_mapping_would_do) {
  command_.kept.id = 1;
  EXPECT_THAT(run(kept_show), AllOf(HasSubstr("device-1"), HasSubstr("k=v"), HasSubstr("Today:"),
                                    HasSubstr("dead letter: column 'temperature'")));
  std::string mended(climate_mapping);
  mended.replace(mended.find("/temp"), 5, "/t");
  config_.mapping = write("mended.toml", mended);
  EXPECT_THAT(run(kept_show), HasSubstr("INSERT INTO \"room_climate\""));
}

TEST_F(kept_verbs, show_prints_nothing_that_a_terminal_would_obey) {
  command_.kept.id = 2;
  EXPECT_THAT(run(kept_show), Not(HasSubstr("\x1b")));
  command_.format = Format::json;
  EXPECT_THAT(run(kept_show), AllOf(HasSubstr("\"today\""), Not(HasSubstr("\x1b"))));
}

TEST_F(kept_verbs, show_of_an_id_that_is_gone_says_so) {
  command_.kept.id = 77;
  EXPECT_THAT(refusal<std::runtime_error>(kept_show), HasSubstr("no dead letter 77"));
}

TEST_F(kept_verbs, replay_stores_what_fits_and_tells_why_the_rest_does_not) {
  std::string mended(climate_mapping);
  mended.replace(mended.find("/temp"), 5, "/t");
  config_.mapping = write("mended.toml", mended);
  command_.kept.dry_run = true;
  EXPECT_THAT(run(kept_replay), AllOf(HasSubstr("messages  2"), HasSubstr("stored    1"),
                                      HasSubstr("1 x "), HasSubstr("Nothing was changed")));
  EXPECT_EQ(first_cell("SELECT count(*) FROM rowgate_dead_letter"), "2");
  command_.kept.dry_run = false;
  EXPECT_THAT(run(kept_replay), HasSubstr("rows      1"));
  EXPECT_EQ(first_cell("SELECT temperature FROM room_climate"), "1.5");
  EXPECT_EQ(first_cell("SELECT count(*) FROM rowgate_dead_letter"), "1");
}

TEST_F(kept_verbs, replay_to_a_mapping_that_is_not_there_is_refused) {
  command_.kept.to = "room-climat";
  EXPECT_THAT(refusal<config::ConfigError>(kept_replay), HasSubstr("room-climat"));
}

TEST_F(kept_verbs, purge_of_everything_must_be_meant) {
  EXPECT_THAT(refusal<config::ConfigError>(kept_purge), HasSubstr("--all"));
  command_.kept.until = "1 h";  // received years ago
  EXPECT_THAT(run(kept_purge), HasSubstr("deleted  2"));
  EXPECT_EQ(first_cell("SELECT count(*) FROM rowgate_unmapped"), "1");
}

TEST_F(kept_verbs, filters_that_are_none_are_refused) {
  command_.kept.topic = "a/#/b";
  EXPECT_THAT(refusal<config::ConfigError>(kept_list), HasSubstr("a/#/b"));
  command_.kept.topic = "";
  command_.kept.since = "yesterday";
  EXPECT_THAT(refusal<config::ConfigError>(kept_list), HasSubstr("yesterday"));
}

TEST_F(kept_verbs, a_file_that_is_not_there_is_not_made) {
  config_.sink = "sqlite:" + (directory_ / "typo.db").string();
  EXPECT_NE(refusal<std::runtime_error>(kept_replay), "");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "typo.db"));
}

}  // namespace
}  // namespace rowgate::cli
