// What only SQLite has: one file, its locks, its disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "storage/sink/sqlite/sink.hpp"

namespace rowgate::storage {
namespace {

using schema::RowBatch;
using schema::Table;
using schema::Type;
using schema::Value;
using sqlite::Synchronous;
using testing::HasSubstr;

class SqliteSink : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "rowgate-sqlite-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    file_ = directory_ + "/t.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  SinkError open_error(const std::string& file) {
    const auto opened = sqlite::make_sink(file, Synchronous::full)->lane({})->open(identity_, {});
    return opened ? SinkError{CommitOutcome::committed, ""} : opened.error();
  }
  /// Ensures, begins, inserts and commits `count` rows of `bytes` bytes each.
  SinkResult<void> store(SinkLane& lane, Position from, Position to, int count, std::size_t bytes) {
    RowBatch batch({"t", {{"name", Type::text}}, {}, {}, ""});
    const std::string name(bytes, 'x');
    for (int i = 0; i < count; ++i) batch.add_row(0)[0] = Value::of_bytes(Type::text, name);
    if (const auto r = lane.ensure(batch.table()); !r) return r;
    if (const auto r = lane.begin(); !r) return r;
    if (const auto r = lane.insert({&batch, 0, batch.rows()}, false); !r) return r;
    return lane.commit(from, to);
  }

  DrainIdentity identity_{"gw", "j", Lane{0}};
  std::string directory_, file_;
};

TEST_F(SqliteSink, AMissingDirectoryIsFatalAtStartUp) {
  const SinkError error = open_error(directory_ + "/missing/t.db");
  EXPECT_EQ(error.outcome, CommitOutcome::fatal);
  EXPECT_THAT(error.message, testing::AllOf(HasSubstr("missing/t.db"), HasSubstr("directory")));
}

TEST_F(SqliteSink, AFileThatIsNoDatabaseIsFatal) {
  std::ofstream(file_) << std::string(5000, 'n');
  const SinkError error = open_error(file_);
  EXPECT_EQ(error.outcome, CommitOutcome::fatal);
  EXPECT_THAT(error.message, HasSubstr("not a database"));
}

TEST_F(SqliteSink, AnotherWriterIsWaitedOut) {
  const auto sink = sqlite::make_sink(file_, Synchronous::full);
  const auto first = sink->lane({});
  const auto second = sink->lane(Lane{1});
  ASSERT_TRUE(first->open(identity_, {}));
  ASSERT_TRUE(second->open({"gw", "j", Lane{1}}, {}));
  ASSERT_TRUE(first->begin());
  const auto blocked = second->begin();
  ASSERT_FALSE(blocked);
  EXPECT_EQ(blocked.error().outcome, CommitOutcome::retry);
  first->rollback();
  EXPECT_TRUE(second->begin());
}

TEST_F(SqliteSink, AFullDiskLosesNothingAndPasses) {
  const auto sink = sqlite::make_sink(file_, Synchronous::full);
  const auto lane = sink->lane({});
  ASSERT_TRUE(lane->open(identity_, {}));
  ASSERT_TRUE(store(*lane, {0}, {10}, 10, 10));

  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1U << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto stored = store(*lane, {10}, {20}, 5000, 1000);
  lane->rollback();
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(stored);
  EXPECT_TRUE(stored.error().outcome == CommitOutcome::retry ||
              stored.error().outcome == CommitOutcome::in_doubt)
      << stored.error().message;

  const auto found = lane->open(identity_, {});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ((*found).value, 10U);
  EXPECT_TRUE(store(*lane, {10}, {20}, 5000, 1000));
  EXPECT_EQ((*sink->query("SELECT count(*) FROM t")).rows[0][0], "5010");
}

TEST_F(SqliteSink, SynchronousNormalIsFlushedByAWalCheckpoint) {
  const auto sink = sqlite::make_sink(file_, Synchronous::normal);
  const auto lane = sink->lane({});
  ASSERT_TRUE(lane->open(identity_, Position{5}));
  ASSERT_TRUE(store(*lane, {5}, {10}, 10, 10));
  EXPECT_GT(std::filesystem::file_size(file_ + "-wal"), 0U);
  const auto flushed = lane->flushed();
  ASSERT_TRUE(flushed);
  EXPECT_EQ((*flushed).value, 10U);
}

TEST_F(SqliteSink, AnOpenReaderDoesNotBlockTheWriter) {
  const auto sink = sqlite::make_sink(file_, Synchronous::full);
  const auto lane = sink->lane({});
  ASSERT_TRUE(lane->open(identity_, {}));
  ASSERT_TRUE(store(*lane, {0}, {10}, 10, 10));
  std::FILE* reader = ::popen(("sqlite3 " + file_).c_str(), "w");
  ASSERT_NE(reader, nullptr);
  std::fputs("BEGIN;\nSELECT count(*) FROM t;\n.shell touch ", reader);
  std::fputs((directory_ + "/reading\n").c_str(), reader);
  std::fflush(reader);
  while (!std::filesystem::exists(directory_ + "/reading")) {
  }
  EXPECT_TRUE(store(*lane, {10}, {20}, 10, 10));
  std::fputs("COMMIT;\n.quit\n", reader);
  ::pclose(reader);
}

TEST_F(SqliteSink, WhatOpenFindsIsFlushedOnlyByAWalCheckpoint) {
  const auto sink = sqlite::make_sink(file_, Synchronous::full);
  const auto killed = sink->lane({});
  ASSERT_TRUE(killed->open(identity_, {}));
  ASSERT_TRUE(store(*killed, {0}, {10}, 10, 10));
  sqlite3* reader = nullptr;  // of this moment: holds WAL checkpoints back
  ASSERT_EQ(sqlite3_open(file_.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT * FROM t", nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_TRUE(store(*killed, {10}, {20}, 10, 10));  // may have ended before its sync

  const auto lane = sink->lane({});
  ASSERT_EQ(*lane->open(identity_, {}), Position{20});
  EXPECT_LT(*lane->flushed(), Position{20});
  ASSERT_TRUE(store(*lane, {20}, {30}, 10, 10));
  EXPECT_LT(*lane->flushed(), Position{20});
  sqlite3_close(reader);
  EXPECT_EQ(*lane->flushed(), Position{30});
  ASSERT_TRUE(store(*lane, {30}, {40}, 10, 10));
  EXPECT_EQ(*lane->flushed(), Position{40});
}

TEST_F(SqliteSink, AKeyOfOneIntegerRefusesNullInsteadOfInventingAValue) {
  const auto lane = sqlite::make_sink(file_, Synchronous::full)->lane({});
  ASSERT_TRUE(lane->open(identity_, {}));
  RowBatch batch({"k", {{"id", Type::bigint}}, {"id"}, {}, ""});
  batch.add_row(0);
  ASSERT_TRUE(lane->ensure(batch.table()));
  ASSERT_TRUE(lane->begin());
  const auto inserted = lane->insert({&batch, 0, 1}, false);
  ASSERT_FALSE(inserted);
  EXPECT_EQ(inserted.error().outcome, CommitOutcome::row_rejected);
  lane->rollback();
}

}  // namespace
}  // namespace rowgate::storage
