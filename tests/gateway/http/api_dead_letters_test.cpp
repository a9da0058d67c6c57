// The routes on a SQLite file with dead letters in it.
#include "gateway/http/api_dead_letters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "storage/sink/sqlite/sink.hpp"

namespace rowgate::http {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::shared_ptr<const schema::Catalog> catalog(const std::string& pointer) {
  return *schema::parse_mapping_file(
      "[[mapping]]\nname = \"meter\"\ntopic = \"meter/+\"\ntable = \"meters\"\n"
      "[mapping.columns]\nkwh = { from = \"" +
          pointer + "\", type = \"double\", required = true }\n",
      1);
}

class api_dead_letters : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rowgate-api-XXXXXX");
    directory_ = ::mkdtemp(pattern.data());
    sink_ = storage::sqlite::make_sink(directory_ + "/t.db", storage::sqlite::Synchronous::full);
    const auto lane = sink_->lane(storage::Lane{});
    ASSERT_TRUE(lane->connect());
    schema::Mapper mapper(force_);
    schema::BatchSet batches(*force_);
    const std::string payload = R"({"kwh": 1.5})";
    for (const char* topic : {"meter/a", "meter/b", "meter/c", "nobody"}) {
      schema::Message message;
      message.topic = topic;
      message.client_id = "d";
      message.payload = payload;
      message.position = 1;
      mapper.map(message, 0, true, batches);
    }
    ASSERT_TRUE(lane->begin());
    for (schema::RowBatch* rows : {&batches.dead_letters(), &batches.unmapped()}) {
      ASSERT_TRUE(lane->insert({rows, 0, rows->rows()}, false));
    }
    ASSERT_TRUE(lane->commit_without_checkpoint());
  }
  void TearDown() override {
    sink_.reset();
    std::filesystem::remove_all(directory_);
  }

  json ask(std::string_view method, std::string_view target, unsigned status = 200) {
    const Api api({"", true}, kept_routes({sink_.get(), [this] { return force_; }}));
    const Reply reply = api.answer({method, target, "localhost", ""});
    EXPECT_EQ(reply.status, status) << reply.body;
    return json::parse(reply.body);
  }

  std::string directory_;
  std::unique_ptr<storage::Sink> sink_;
  std::shared_ptr<const schema::Catalog> force_ = catalog("/wrong");
};

TEST_F(api_dead_letters, list_goes_page_by_page) {
  const json page = ask("GET", "/api/v1/dead-letters?limit=2");
  EXPECT_EQ(page["messages"].size(), 2U);
  EXPECT_EQ(page["messages"][0]["topic"], "meter/c");
  EXPECT_EQ(page["messages"][0]["mapping"], "meter");
  const auto before = std::to_string(page["next_before"].get<int>());
  const json rest = ask("GET", "/api/v1/dead-letters?limit=2&before=" + before);
  EXPECT_EQ(rest["messages"].size(), 1U);
  EXPECT_TRUE(rest["next_before"].is_null());
  EXPECT_EQ(ask("GET", "/api/v1/dead-letters?topic=%2B%2Fb")["messages"].size(), 1U);
  EXPECT_EQ(ask("GET", "/api/v1/unmapped")["messages"][0]["topic"], "nobody");
}

TEST_F(api_dead_letters, one_is_whole_and_has_what_the_mapping_in_force_makes_of_it) {
  const json one = ask("GET", "/api/v1/dead-letters/1");
  EXPECT_EQ(one["payload"], R"({"kwh": 1.5})");
  EXPECT_TRUE(one["rows"].is_null());
  EXPECT_THAT(one["today"].get<std::string>(), HasSubstr("no /wrong"));
  EXPECT_THAT(ask("GET", "/api/v1/dead-letters/9", 404)["error"].get<std::string>(),
              HasSubstr("none with this id"));
  ask("GET", "/api/v1/dead-letters/x", 404);
}

TEST_F(api_dead_letters, replay_goes_through_the_mapping_in_force) {
  EXPECT_EQ(ask("POST", "/api/v1/dead-letters/replay")["refused"], 3);
  force_ = catalog("/kwh");
  const json dry = ask("POST", "/api/v1/dead-letters/replay?dry_run=true&limit=2");
  EXPECT_EQ(dry["stored"], 2);
  EXPECT_EQ(dry["next_after"], 2);
  const json done = ask("POST", "/api/v1/dead-letters/replay");
  EXPECT_EQ(done["stored"], 3);
  EXPECT_EQ(done["rows"], 3);
  EXPECT_TRUE(done["next_after"].is_null());
  EXPECT_EQ(ask("POST", "/api/v1/dead-letters/replay")["messages"], 0);
  EXPECT_EQ(ask("POST", "/api/v1/unmapped/replay")["untaken"], 1);
}

TEST_F(api_dead_letters, purge_wants_a_filter_or_all) {
  ask("DELETE", "/api/v1/dead-letters", 400);
  EXPECT_EQ(ask("DELETE", "/api/v1/dead-letters?topic=meter/a")["deleted"], 1);
  EXPECT_EQ(ask("DELETE", "/api/v1/dead-letters?all=true&dry_run")["deleted"], 2);
  EXPECT_EQ(ask("DELETE", "/api/v1/dead-letters?all=true")["deleted"], 2);
  EXPECT_EQ(ask("GET", "/api/v1/dead-letters")["messages"].size(), 0U);
}

TEST_F(api_dead_letters, wrong_parameters_are_400) {
  for (const char* query : {"topic=a/%23/b", "since=yesterday", "limit=0", "limit=x", "after=-1",
                            "id=x", "mapping=%ff"}) {
    ask("GET", std::string("/api/v1/dead-letters?") + query, 400);
  }
  ask("POST", "/api/v1/dead-letters/replay?to=nobody", 400);
}

TEST_F(api_dead_letters, database_that_is_away_is_503) {
  std::filesystem::remove_all(directory_);
  const Api api({"", true}, kept_routes({sink_.get(), [this] { return force_; }}));
  EXPECT_GE(api.answer({"POST", "/api/v1/dead-letters/replay", "localhost", ""}).status, 500U);
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace rowgate::http
