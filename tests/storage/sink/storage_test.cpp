// What [table.NAME] asks of a database, on SQLite and PostgreSQL: tables of last rows, indexes,
// retention; keys under rows that come twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using schema::OnConflict;
using schema::RowBatch;
using schema::Table;
using schema::TimeIndex;
using schema::Type;
using schema::Value;
using std::chrono::hours;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t hour = 3'600'000'000;

class StorageContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (postgres()) {
      sink_ = postgres::make_sink(test::PostgresServer::shared().new_database());
    } else {
      remove_file();
      sink_ = sqlite::make_sink(file_, sqlite::Synchronous::full);
    }
    lane_ = sink_->lane(Lane{0});
    ASSERT_TRUE(lane_->open({"gw", "j", Lane{0}}, Position{0}));
  }
  void TearDown() override {
    lane_.reset();
    remove_file();
  }
  void remove_file() const {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  }
  static bool postgres() { return std::string_view(GetParam()) == "postgres"; }

  std::vector<std::string> rows(const std::string& text) {
    const auto result = sink_->query(text);
    EXPECT_TRUE(result) << result.error().message;
    std::vector<std::string> lines;
    if (!result) return lines;
    for (const auto& row : result->rows) {
      std::string& line = lines.emplace_back();
      for (const auto& cell : row) line += (line.empty() ? "" : "|") + cell.value_or("NULL");
    }
    return lines;
  }
  void store(const RowBatch& batch) {
    const auto fits = lane_->ensure(batch.table());
    ASSERT_TRUE(fits) << fits.error().message;
    ASSERT_TRUE(lane_->begin());
    const auto inserted = lane_->insert({&batch, 0, batch.rows()}, false);
    ASSERT_TRUE(inserted) << inserted.error().message;
    ASSERT_TRUE(lane_->commit(Position{position_}, Position{position_ + 1}));
    ++position_;
  }
  /// Until there is nothing more to do; the sum.
  Maintained maintain(const Table& table) {
    Maintained sum;
    for (bool more = true; more;) {
      const auto done = lane_->maintain(table, now_);
      EXPECT_TRUE(done) << done.error().message;
      if (!done) break;
      sum.rows += done->rows;
      sum.partitions += done->partitions;
      more = done->more;
    }
    return sum;
  }

  std::string file_ = std::filesystem::temp_directory_path() /
                      ("rowgate-storage-" + std::to_string(::getpid()) + ".db");
  Timestamp now_ = *parse_iso8601("2026-11-21T12:00:00Z");
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<SinkLane> lane_;
  std::uint64_t position_ = 0;
};

Table series() {
  return {"series",
          {{"ts", Type::timestamptz, true}, {"device", Type::text}, {"n", Type::bigint}},
          {},
          {},
          "ts"};
}
void add(RowBatch& batch, Timestamp ts, std::string_view device, std::int64_t n) {
  const auto row = batch.add_row(static_cast<std::uint32_t>(batch.rows()));
  row[0] = Value::of_timestamp(ts);
  row[1] = Value::of_bytes(Type::text, device);
  row[2] = Value::of_bigint(n);
}

TEST_P(StorageContract, LatestKeepsTheRowWithTheLatestTimeAndOfEqualTimesTheLast) {
  Table table = series();
  table.name = "plant.series_latest";
  table.key = {"device"};
  table.on_conflict = OnConflict::latest;
  table.storage.index = TimeIndex::none;
  RowBatch batch(table);
  add(batch, now_, "a", 1);
  add(batch, {now_.micros - hour}, "a", 2);
  add(batch, now_, "b", 3);
  add(batch, now_, "b", 4);
  store(batch);
  const std::string all = std::string("SELECT device, n FROM ") +
                          (postgres() ? "plant.series_latest" : "\"plant.series_latest\"") +
                          " ORDER BY device";
  EXPECT_THAT(rows(all), ElementsAre("a|1", "b|4"));
  batch.clear();
  add(batch, {now_.micros - 1}, "a", 5);
  add(batch, now_, "b", 6);
  add(batch, {now_.micros + 1}, "c", 7);
  store(batch);
  EXPECT_THAT(rows(all), ElementsAre("a|1", "b|6", "c|7"));
}

TEST_P(StorageContract, DeclaredIndexesAreMadeWithTheTableAndLater) {
  const std::string count = postgres()
                                ? "SELECT count(*) FROM pg_indexes WHERE tablename = 'series'"
                                : "SELECT count(*) FROM pragma_index_list('series')";
  Table table = series();
  table.storage.index = TimeIndex::btree;
  table.storage.indexes = {{"device", "ts"}, {"device"}};  // the second is covered
  ASSERT_TRUE(lane_->ensure(table));
  EXPECT_THAT(rows(count), ElementsAre("2"));
  table.storage.indexes.push_back({"n"});
  ASSERT_TRUE(lane_->ensure(table));
  EXPECT_THAT(rows(count), ElementsAre("3"));
  const auto plan = sink_->plan(table);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->statements, IsEmpty());
}

TEST_P(StorageContract, RetentionDeletesOldRowsInStepsAndKeepsTheOthers) {
  Table table = series();
  table.storage.retention = hours(24);
  RowBatch batch(table);
  for (int i = 0; i < 12'000; ++i) add(batch, {now_.micros - 25 * hour}, "old", i);
  add(batch, {now_.micros - 24 * hour}, "new", 1);
  add(batch, {now_.micros + hour}, "new", 2);
  store(batch);
  EXPECT_EQ(maintain(table).rows, 12'000U);
  EXPECT_THAT(rows("SELECT device, n FROM series ORDER BY n"), ElementsAre("new|1", "new|2"));
  EXPECT_EQ(maintain(table).rows, 0U);
}

TEST_P(StorageContract, MaintenanceMakesATableThatIsNotThereYet) {
  Table table = series();
  table.storage.retention = hours(24);
  EXPECT_EQ(maintain(table).rows, 0U);
  EXPECT_THAT(rows("SELECT count(*) FROM series"), ElementsAre("0"));
}

TEST_P(StorageContract, WhatTheDatabaseCannotDoIsNotedOnce) {
  Table table = series();
  table.storage.hypertable = schema::Hypertable{hours(24)};
  ASSERT_TRUE(lane_->ensure(table));
  EXPECT_THAT(lane_->take_notes(), ElementsAre(HasSubstr("a hypertable was asked for")));
  const auto second = sink_->lane(Lane{1});
  ASSERT_TRUE(second->open({"gw", "j", Lane{1}}, Position{0}));
  ASSERT_TRUE(second->ensure(table));
  EXPECT_THAT(second->take_notes(), IsEmpty());
  const auto plan = sink_->plan(table);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("plain table")));
}

TEST_P(StorageContract, EveryMisfitIsNamed) {
  Table other = series();
  other.columns = {{"ts", Type::bytea}, {"device", Type::boolean}, {"owner", Type::text, true}};
  other.time_column = "";
  ASSERT_TRUE(lane_->ensure(other));
  const auto plan = sink_->plan(series());
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().outcome, CommitOutcome::row_rejected);
  EXPECT_THAT(plan.error().misfits, testing::Contains(HasSubstr("column device")));
  EXPECT_THAT(plan.error().misfits, testing::Contains(HasSubstr("column owner: NOT NULL")));
}

/// Two lanes at once store the same rows again and again, several of one key in a batch.
TEST_P(StorageContract, KeysHoldUnderManyLanesAndReSentRows) {
  for (const OnConflict on_conflict :
       {OnConflict::ignore, OnConflict::update, OnConflict::latest}) {
    Table table = series();
    table.name = "keyed" + std::to_string(static_cast<int>(on_conflict));
    table.key = {"device"};
    table.on_conflict = on_conflict;
    std::vector<std::jthread> threads;
    std::atomic<int> failed = 0;
    for (std::uint16_t l = 1; l <= 3; ++l) {
      threads.emplace_back([&, l] {
        const auto lane = sink_->lane(Lane{l});
        auto at = lane->open({"gw", "j", Lane{l}}, Position{0});
        RowBatch batch(table);
        const std::string names[] = {"a", "b", "c", "d", "e", "f", "g"};
        for (int i = 0; i < 210; ++i)
          add(batch, {now_.micros + i}, names[static_cast<std::size_t>((i * l) % 7)], i);
        for (int round = 0; at && round < 10; ++round) {
          bool stored = false;
          for (int attempt = 0; attempt < 200 && !stored; ++attempt) {
            stored = lane->ensure(table) && lane->begin() &&
                     lane->insert({&batch, 0, batch.rows()}, false) &&
                     lane->commit(*at, Position{at->value + 1});
            if (!stored) lane->rollback();
          }
          if (!stored) ++failed;
          at = Position{at->value + 1};
        }
        if (!at) ++failed;
      });
    }
    threads.clear();
    EXPECT_EQ(failed, 0);
    EXPECT_THAT(rows("SELECT count(*), count(DISTINCT device) FROM " + table.name),
                ElementsAre("7|7"));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, StorageContract, testing::Values("sqlite", "postgres"),
                         [](const auto& sink) { return std::string(sink.param); });

}  // namespace
}  // namespace rowgate::storage
