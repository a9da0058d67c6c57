// The contract of sink.hpp, held by SQLite and by PostgreSQL alike.
#include "storage/sink/sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using schema::Column;
using schema::OnConflict;
using schema::RowBatch;
using schema::Table;
using schema::Type;
using schema::Value;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const DrainIdentity identity{"gw", "journal-a", Lane{0}};

Position position(const SinkResult<Position>& result) {
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : Position{};
}

class SinkContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (postgres()) {
      url_ = test::PostgresServer::shared().new_database();
      sink_ = postgres::make_sink(url_);
    } else {
      file_ = std::filesystem::temp_directory_path() /
              ("rowgate-sink-" + std::to_string(::getpid()) + ".db");
      remove_file();
      sink_ = sqlite::make_sink(file_, sqlite::Synchronous::full);
    }
    lane_ = sink_->lane(Lane{0});
  }
  void TearDown() override {
    lane_.reset();
    if (!postgres()) remove_file();
  }
  void remove_file() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  }
  static bool postgres() { return std::string_view(GetParam()) == "postgres"; }

  /// Runs SQL that changes something, as another program would.
  void sql(const std::string& text) {
    if (postgres()) {
      test::PostgresServer::shared().sql(test::database_of(url_), text);
    } else {
      const std::string command = "sqlite3 " + file_ + " \"" + text + "\"";
      ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
  }
  /// A query's rows, cells joined by '|'.
  std::vector<std::string> rows(const std::string& text) {
    const auto result = sink_->query(text);
    EXPECT_TRUE(result) << result.error().message;
    std::vector<std::string> lines;
    if (!result) return lines;
    for (const auto& row : (*result).rows) {
      std::string& line = lines.emplace_back();
      for (const auto& cell : row) line += (line.empty() ? "" : "|") + cell.value_or("NULL");
    }
    return lines;
  }
  void open() {
    const auto opened = lane_->open(identity, Position{100});
    ASSERT_TRUE(opened) << opened.error().message;
  }
  void ensure(const Table& table) {
    const auto fits = lane_->ensure(table);
    ASSERT_TRUE(fits) << fits.error().message;
  }
  /// Ensures, begins, inserts, commits.
  void store(const RowBatch& batch, std::uint64_t from, std::uint64_t to) {
    ensure(batch.table());
    ASSERT_TRUE(lane_->begin());
    const auto inserted = lane_->insert({&batch, 0, batch.rows()}, false);
    ASSERT_TRUE(inserted) << inserted.error().message;
    const auto committed = lane_->commit(Position{from}, Position{to});
    ASSERT_TRUE(committed) << committed.error().message;
  }

  std::string url_, file_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<SinkLane> lane_;
};

Table readings() {
  return {"readings", {{"id", Type::bigint}, {"name", Type::text}}, {}, {}, ""};
}
Table keyed(OnConflict on_conflict) {
  return {"latest", {{"id", Type::bigint}, {"name", Type::text}}, {"id"}, on_conflict, ""};
}
void add(RowBatch& batch, std::int64_t id, std::string_view name) {
  const auto row = batch.add_row(static_cast<std::uint32_t>(batch.rows()));
  row[0] = Value::of_bigint(id);
  row[1] = Value::of_bytes(Type::text, name);
}

TEST_P(SinkContract, OpenInsertsTheCheckpointAtStartAndFindsItAgain) {
  EXPECT_EQ(position(lane_->open(identity, Position{100})), Position{100});
  EXPECT_EQ(position(lane_->open(identity, Position{500})), Position{100});
}

TEST_P(SinkContract, CommitMovesTheCheckpointWithTheRows) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  add(batch, 2, "b");
  store(batch, 100, 180);
  EXPECT_THAT(rows("SELECT id, name FROM readings ORDER BY id"), ElementsAre("1|a", "2|b"));
  EXPECT_THAT(rows("SELECT gateway, lane, journal_id, position FROM rowgate_checkpoint"),
              ElementsAre("gw|0|journal-a|180"));
  EXPECT_EQ(position(lane_->open(identity, Position{0})), Position{180});
}

TEST_P(SinkContract, RollbackLeavesNeitherRowsNorCheckpoint) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  ensure(batch.table());
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));
  lane_->rollback();
  EXPECT_THAT(rows("SELECT * FROM readings"), IsEmpty());
  EXPECT_THAT(rows("SELECT position FROM rowgate_checkpoint"), ElementsAre("100"));
  store(batch, 100, 150);  // and the lane goes on
  EXPECT_THAT(rows("SELECT id FROM readings"), ElementsAre("1"));
}

TEST_P(SinkContract, EmptyCommitMovesTheCheckpoint) {
  open();
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->commit(Position{100}, Position{300}));
  EXPECT_THAT(rows("SELECT position FROM rowgate_checkpoint"), ElementsAre("300"));
}

TEST_P(SinkContract, CommitFromAnotherPositionIsFencedAndStoresNothing) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  ensure(batch.table());
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));
  const auto committed = lane_->commit(Position{99}, Position{180});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().outcome, CommitOutcome::fenced);
  EXPECT_THAT(committed.error().message, HasSubstr("another gateway"));
  EXPECT_THAT(rows("SELECT * FROM readings"), IsEmpty());
}

TEST_P(SinkContract, AnotherJournalsCheckpointIsFenced) {
  open();
  const auto other = sink_->lane(Lane{0})->open({"gw", "journal-b", Lane{0}}, Position{0});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().outcome, CommitOutcome::fenced);
  EXPECT_THAT(other.error().message, HasSubstr("DELETE FROM rowgate_checkpoint"));
}

TEST_P(SinkContract, LanesHaveCheckpointsOfTheirOwn) {
  open();
  const auto second = sink_->lane(Lane{1});
  EXPECT_EQ(position(second->open({"gw", "journal-a", Lane{1}}, Position{7})), Position{7});
}

TEST_P(SinkContract, LanesThatTheJournalNoLongerHasAreForgotten) {
  open();
  const auto second = sink_->lane(Lane{1});
  const auto other = sink_->lane(Lane{1});
  EXPECT_EQ(position(second->open({"gw", "journal-a", Lane{1}}, Position{7})), Position{7});
  EXPECT_EQ(position(other->open({"other", "journal-b", Lane{1}}, Position{8})), Position{8});
  EXPECT_EQ(position(lane_->open({"gw", "journal-a", Lane{0}, 1}, Position{0})), Position{100});
  EXPECT_EQ(position(second->open({"gw", "journal-a", Lane{1}, 2}, Position{500})), Position{500});
  EXPECT_EQ(position(other->open({"other", "journal-b", Lane{1}}, Position{0})), Position{8});
}

TEST_P(SinkContract, EveryTypeComesBackAsItWasStored) {
  open();
  const Table table{"kinds",
                    {{"b", Type::boolean},
                     {"i", Type::bigint},
                     {"d", Type::double_precision},
                     {"t", Type::text},
                     {"ts", Type::timestamptz},
                     {"j", Type::jsonb},
                     {"x", Type::bytea},
                     {"u", Type::uuid},
                     {"n", Type::numeric}},
                    {},
                    {},
                    "ts"};
  RowBatch batch(table);
  const std::string uuid("\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00", 16);
  const auto fill = [&](std::int64_t i, double d, std::string_view t, std::string_view n) {
    const auto row = batch.add_row(0);
    row[0] = Value::of_bool(i < 0);
    row[1] = Value::of_bigint(i);
    row[2] = Value::of_double(d);
    row[3] = Value::of_bytes(Type::text, t);
    row[4] = Value::of_timestamp({1763709579123456});
    row[5] = Value::of_bytes(Type::jsonb, "{\"a\": [1, 2]}");
    row[6] = Value::of_bytes(Type::bytea, std::string_view("\0\xff", 2));
    row[7] = Value::of_bytes(Type::uuid, uuid);
    row[8] = Value::of_bytes(Type::numeric, n);
  };
  fill(-9'223'372'036'854'775'807, 0.1, "caf\xc3\xa9 'q' \"d\" \\",
       "-12345678901234567890.0012300");
  fill(42, -1.5e300, "", "10000");
  batch.add_row(0);  // NULLs
  store(batch, 100, 180);
  EXPECT_THAT(rows("SELECT i, d, t, n, u, j FROM kinds WHERE i IS NOT NULL ORDER BY i"),
              ElementsAre("-9223372036854775807|0.1|caf\xc3\xa9 'q' \"d\" \\|-12345678901234567890."
                          "0012300|123e4567-e89b-12d3-a456-426614174000|{\"a\": [1, 2]}",
                          std::string(postgres() ? "42|-1.5e+300" : "42|-1.5e+300") +
                              "||10000|123e4567-e89b-12d3-a456-426614174000|{\"a\": [1, 2]}"));
  EXPECT_THAT(rows("SELECT x FROM kinds WHERE i = 42"), ElementsAre("\\x00ff"));
  EXPECT_THAT(
      rows(postgres()
               ? "SELECT b, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') "
                 "FROM kinds WHERE i IS NOT NULL ORDER BY i"
               : "SELECT CASE b WHEN 1 THEN 't' ELSE 'f' END, ts FROM kinds WHERE i IS NOT "
                 "NULL ORDER BY i"),
      ElementsAre("t|2025-11-21T07:19:39.123456Z", "f|2025-11-21T07:19:39.123456Z"));
  EXPECT_THAT(
      rows("SELECT count(*) FROM kinds WHERE b IS NULL AND i IS NULL AND d IS NULL AND t IS "
           "NULL AND ts IS NULL AND j IS NULL AND x IS NULL AND u IS NULL AND n IS NULL"),
      ElementsAre("1"));
}

TEST_P(SinkContract, NumericsComeBackDigitForDigit) {
  open();
  RowBatch batch({"numbers", {{"id", Type::bigint}, {"n", Type::numeric}}, {}, {}, ""});
  const std::vector<std::string> numbers{"0",
                                         "0.0",
                                         "1",
                                         "-1",
                                         "9999",
                                         "10000",
                                         "10001",
                                         "0.1",
                                         "0.0001",
                                         "0.00001",
                                         "-0.50",
                                         "100.0",
                                         "12345",
                                         "99999999",
                                         "1.0000",
                                         "123456789.123456789",
                                         "0.00000000000000000001"};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto row = batch.add_row(0);
    row[0] = Value::of_bigint(static_cast<std::int64_t>(i));
    row[1] = Value::of_bytes(Type::numeric, numbers[i]);
  }
  store(batch, 100, 180);
  EXPECT_EQ(rows("SELECT n FROM numbers ORDER BY id"), numbers);
}

TEST_P(SinkContract, RowsOfSeveralBuffersArriveWhole) {
  open();
  RowBatch batch(readings());
  const std::string name(300, 'n');
  for (int i = 0; i < 5000; ++i) add(batch, i, name);
  store(batch, 100, 180);
  EXPECT_THAT(rows("SELECT count(*), count(DISTINCT id), min(length(name)) FROM readings"),
              ElementsAre("5000|5000|300"));
}

TEST_P(SinkContract, KeyWithIgnoreKeepsTheFirstRow) {
  open();
  RowBatch batch(keyed(OnConflict::ignore));
  add(batch, 1, "first");
  add(batch, 1, "second");
  store(batch, 100, 180);
  batch.clear();
  add(batch, 1, "third");
  add(batch, 2, "other");
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id, name FROM latest ORDER BY id"), ElementsAre("1|first", "2|other"));
}

TEST_P(SinkContract, KeyWithUpdateKeepsTheLastRow) {
  open();
  RowBatch batch(keyed(OnConflict::update));
  add(batch, 2, "x");
  add(batch, 1, "first");
  add(batch, 1, "second");
  store(batch, 100, 180);
  batch.clear();
  add(batch, 2, "y");
  add(batch, 2, "z");
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id, name FROM latest ORDER BY id"), ElementsAre("1|second", "2|z"));
}

TEST_P(SinkContract, RefusalUnderASavepointLeavesTheTransactionUsable) {
  open();
  RowBatch batch({"strict_names", {{"id", Type::bigint}, {"name", Type::text, true}}, {}, {}, ""});
  add(batch, 1, "a");
  add(batch, 2, "b");
  batch.last_row()[1] = Value();
  add(batch, 3, "c");
  ensure(batch.table());
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, true));
  const auto refused = lane_->insert({&batch, 1, 2}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().outcome, CommitOutcome::row_rejected);
  EXPECT_THAT(refused.error().message, HasSubstr("name"));
  ASSERT_TRUE(lane_->insert({&batch, 2, 1}, true));
  ASSERT_TRUE(lane_->commit(Position{100}, Position{180}));
  EXPECT_THAT(rows("SELECT id FROM strict_names ORDER BY id"), ElementsAre("1", "3"));
}

TEST_P(SinkContract, RefusalUnderASavepointWorksWithAKeyToo) {
  open();
  RowBatch batch(keyed(OnConflict::update));
  add(batch, 1, "a");
  add(batch, 2, "b");
  batch.last_row()[0] = Value();
  add(batch, 3, "c");
  ensure(batch.table());
  ASSERT_TRUE(lane_->begin());
  EXPECT_EQ(lane_->insert({&batch, 0, 3}, true).error().outcome, CommitOutcome::row_rejected);
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, true));
  EXPECT_EQ(lane_->insert({&batch, 1, 1}, true).error().outcome, CommitOutcome::row_rejected);
  ASSERT_TRUE(lane_->insert({&batch, 2, 1}, true));
  ASSERT_TRUE(lane_->commit(Position{100}, Position{180}));
  EXPECT_THAT(rows("SELECT id, name FROM latest ORDER BY id"), ElementsAre("1|a", "3|c"));
}

TEST_P(SinkContract, NewColumnsAreAddedAndOldRowsGetNull) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  store(batch, 100, 180);
  batch.clear();
  batch.add_column({"extra column", Type::double_precision});
  add(batch, 2, "b");
  batch.last_row()[2] = Value::of_double(2.5);
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id, \"extra column\" FROM readings ORDER BY id"),
              ElementsAre("1|NULL", "2|2.5"));
}

TEST_P(SinkContract, AKeyedTableTakesNewColumnsToo) {
  open();
  RowBatch batch(keyed(OnConflict::update));
  add(batch, 1, "a");
  store(batch, 100, 180);
  batch.clear();
  batch.add_column({"n", Type::bigint});
  add(batch, 1, "b");
  batch.last_row()[2] = Value::of_bigint(9);
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id, name, n FROM latest"), ElementsAre("1|b|9"));
}

TEST_P(SinkContract, AnExistingTableOfAnotherTypeDoesNotFit) {
  open();
  sql("CREATE TABLE readings (id bigint, name integer)");
  const auto fits = lane_->ensure(readings());
  ASSERT_FALSE(fits);
  EXPECT_EQ(fits.error().outcome, CommitOutcome::row_rejected);
  EXPECT_THAT(fits.error().message, testing::AllOf(HasSubstr("table readings, column name"),
                                                   HasSubstr("the mapping's text needs"),
                                                   HasSubstr("change the column's type")));
}

TEST_P(SinkContract, AnExistingColumnThatNobodyFillsDoesNotFit) {
  open();
  sql("CREATE TABLE readings (id bigint, name text, owner text NOT NULL)");
  const auto fits = lane_->ensure(readings());
  ASSERT_FALSE(fits);
  EXPECT_EQ(fits.error().outcome, CommitOutcome::row_rejected);
  EXPECT_THAT(fits.error().message, HasSubstr("owner"));
}

TEST_P(SinkContract, AViewDoesNotFit) {
  open();
  sql("CREATE VIEW readings AS SELECT 1 AS id, 'a' AS name");
  const auto fits = lane_->ensure(readings());
  ASSERT_FALSE(fits);
  EXPECT_THAT(fits.error().message, HasSubstr("view"));
}

TEST_P(SinkContract, AnExistingTableGetsTheMissingKey) {
  open();
  sql("CREATE TABLE latest (id bigint, name text)");
  RowBatch batch(keyed(OnConflict::update));
  add(batch, 1, "a");
  store(batch, 100, 180);
  batch.clear();
  add(batch, 1, "b");
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id, name FROM latest"), ElementsAre("1|b"));
}

TEST_P(SinkContract, AKeyThatOldRowsBreakDoesNotFit) {
  open();
  sql("CREATE TABLE latest (id bigint, name text); INSERT INTO latest VALUES (1, 'a'), (1, 'b')");
  const auto fits = lane_->ensure(keyed(OnConflict::update));
  ASSERT_FALSE(fits);
  EXPECT_EQ(fits.error().outcome, CommitOutcome::row_rejected);
}

TEST_P(SinkContract, PlanPrintsTheDdlWithoutRunningIt) {
  const auto plan = sink_->plan(readings());
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_FALSE(plan->statements.empty());
  EXPECT_THAT(plan->statements.front(), HasSubstr("CREATE TABLE"));
  EXPECT_FALSE(sink_->query("SELECT * FROM readings"));
}

TEST_P(SinkContract, PlanOfATableThatFitsIsEmpty) {
  open();
  ensure(readings());
  const auto plan = sink_->plan(readings());
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->statements, IsEmpty());
}

TEST_P(SinkContract, QueryRefusesWhatChangesSomething) {
  open();
  for (const char* text : {"DELETE FROM rowgate_checkpoint", "CREATE TABLE t (a int)",
                           "SELECT 1; DELETE FROM rowgate_checkpoint"}) {
    const auto result = sink_->query(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().outcome, CommitOutcome::row_rejected);
  }
  EXPECT_THAT(rows("SELECT count(*) FROM rowgate_checkpoint"), ElementsAre("1"));
}

TEST_P(SinkContract, WhatIsCommittedIsFlushed) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  store(batch, 100, 180);
  EXPECT_EQ(position(lane_->flushed()), Position{180});
}

TEST_P(SinkContract, ADroppedTableIsMadeAgainAfterReconnecting) {
  open();
  RowBatch batch(readings());
  add(batch, 1, "a");
  store(batch, 100, 180);
  sql("DROP TABLE readings");
  ASSERT_TRUE(lane_->begin());
  const auto inserted = lane_->insert({&batch, 0, 1}, false);
  ASSERT_FALSE(inserted);
  EXPECT_EQ(inserted.error().outcome, CommitOutcome::retry);
  lane_->rollback();
  open();
  store(batch, 180, 190);
  EXPECT_THAT(rows("SELECT id FROM readings"), ElementsAre("1"));
}

TEST_P(SinkContract, NamesNeedNoCareOfTheUsers) {
  open();
  RowBatch batch({"Room \"climate\"", {{"order", Type::bigint}, {"a'b", Type::text}}, {}, {}, ""});
  add(batch, 1, "a");
  store(batch, 100, 180);
  EXPECT_THAT(rows("SELECT \"order\", \"a'b\" FROM \"Room \"\"climate\"\"\""), ElementsAre("1|a"));
}

TEST_P(SinkContract, ATableNameWithADotWorks) {
  open();
  RowBatch batch({"plant.room", {{"id", Type::bigint}, {"name", Type::text}}, {"id"}, {}, ""});
  add(batch, 1, "a");
  store(batch, 100, 180);
  EXPECT_THAT(rows(postgres() ? "SELECT id FROM plant.room" : "SELECT id FROM \"plant.room\""),
              ElementsAre("1"));
}

INSTANTIATE_TEST_SUITE_P(Both, SinkContract, testing::Values("sqlite", "postgres"),
                         [](const auto& sink) { return std::string(sink.param); });

}  // namespace
}  // namespace rowgate::storage
