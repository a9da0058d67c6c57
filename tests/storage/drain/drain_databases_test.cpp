// The drain on real databases that are killed, frozen, replaced and set back.
#include <unistd.h>

#include <filesystem>

#include "storage/sink/postgres/lane.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "tests/storage/drain/drain_fixture.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;
using testing::HasSubstr;

class DrainIntoDatabase : public DrainTest {
 protected:
  std::unique_ptr<RunningDrain> drain_into(std::unique_ptr<SinkLane> lane) {
    return std::make_unique<RunningDrain>(*journal, std::move(lane),
                                          test::catalog_of(test::readings_mapping));
  }
  static std::string first_cell(Sink& sink, const std::string& sql) {
    const auto result = sink.query(sql);
    EXPECT_TRUE(result) << result.error().message;
    return result && !(*result).rows.empty() ? (*result).rows[0][0].value_or("NULL") : "";
  }
  /// As eventually(), while the lanes' clock runs a hundred times as fast.
  bool soon(const std::function<bool()>& condition) {
    return eventually([&] {
      clock.advance(std::chrono::milliseconds(100));
      return condition();
    });
  }
  /// Restored in place, as of when it had `readings` rows and the checkpoint `then`.
  static void put_back(Sink& sink, int readings, Position then) {
    const auto other = sink.lane({});
    ASSERT_TRUE(other->connect());
    ASSERT_TRUE(other->begin());
    ASSERT_TRUE(other->execute(fmt::format("DELETE FROM readings WHERE n >= {}", readings)));
    ASSERT_TRUE(
        other->execute(fmt::format("UPDATE rowgate_checkpoint SET position = {}", then.value)));
    ASSERT_TRUE(other->commit_without_checkpoint());
  }
  void a_lane_notices_what_is_put_back(Sink& sink) {
    RunningDrain running(*journal, sink.lane({}), test::catalog_of(test::readings_mapping), {},
                         RunningDrain::fast(), clock);
    const auto stored_up_to = [&](std::uint64_t rows) {
      return soon([&] {
        return running.counters.rows == rows &&
               running.counters.checkpoint == journal->durable().value;
      });
    };
    running.start();
    publish_readings(0, 100);
    ASSERT_TRUE(stored_up_to(100));
    const Position then{running.counters.checkpoint};
    publish_readings(100, 300);
    ASSERT_TRUE(stored_up_to(300));
    put_back(sink, 100, then);
    EXPECT_TRUE(stored_up_to(500)) << "without a publish";
    EXPECT_EQ(tally(sink), "300 rows, 300 different");
    EXPECT_THAT(running.warnings(), testing::Contains(HasSubstr("went back from position")));

    put_back(sink, 100, then);
    publish_readings(300, 301);
    EXPECT_TRUE(stored_up_to(701)) << "found by a look or by a commit";
    EXPECT_EQ(running.stop(), DrainEnd::stopped) << running.error;
    EXPECT_EQ(tally(sink), "301 rows, 301 different");
    EXPECT_EQ(running.counters.stored, 301U);
  }
  /// One lane sees x as a number first, the other as text.
  void lanes_with_other_types(Sink& sink) {
    open_journal(2);
    const auto catalog = test::catalog_of(R"(
[[mapping]]
name = "any"
topic = "d/{device}"
table = "any"
columns = "auto"
)");
    RunningDrain first(*journal, sink.lane(Lane{0}), catalog, Lane{0});
    RunningDrain second(*journal, sink.lane(Lane{1}), catalog, Lane{1});
    first.start();
    publish("d/a", R"({"x": 1, "y": 1})", client_of(Lane{0}));
    ASSERT_TRUE(eventually([&] { return first.done() == 1; }));
    for (const char* payload :
         {R"({"x": "one", "y": 2})", R"({"x": 2})", R"({"y": 3, "z": "new"})"})
      publish("d/b", payload, client_of(Lane{1}));
    ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
    second.start();
    ASSERT_TRUE(eventually([&] { return second.done() == 3; }));
    for (const char* payload : {R"({"x": 3, "z": "b"})", R"({"x": true})"})
      publish("d/b", payload, client_of(Lane{1}));
    ASSERT_TRUE(eventually([&] { return second.done() == 5; }));
    EXPECT_EQ(second.stop(), DrainEnd::stopped) << second.error;
    EXPECT_EQ(first_cell(sink,
                         "SELECT count(x) || ',' || CAST(sum(x) AS integer) || ',' || "
                         "count(z) || ',' || count(*) FROM \"any\""),
              "3,6,2,4");
    EXPECT_EQ(second.counters.stored, 3U);
    EXPECT_EQ(second.counters.dead_letter, 2U);
    EXPECT_EQ(first_cell(sink, "SELECT count(*) FROM rowgate_dead_letter WHERE reason LIKE '%x%'"),
              "2");
  }
  /// "count of rows, of distinct n, of checkpoints"
  static std::string tally(Sink& sink) {
    return first_cell(sink,
                      "SELECT count(*) || ' rows, ' || count(DISTINCT n) || ' different' "
                      "FROM readings");
  }

  test::ManualClock clock;
};

class DrainIntoSqlite : public DrainIntoDatabase {
 protected:
  void SetUp() override {
    DrainIntoDatabase::SetUp();
    std::string pattern = (std::filesystem::temp_directory_path() / "rowgate-drain-XXXXXX");
    directory_ = ::mkdtemp(pattern.data());
    file_ = directory_ + "/t.db";
    sink_ = sqlite::make_sink(file_, sqlite::Synchronous::full);
  }
  void TearDown() override {
    DrainIntoDatabase::TearDown();
    std::filesystem::remove_all(directory_);
  }
  std::string directory_, file_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(DrainIntoSqlite, StoresEveryMessage) {
  const auto running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(0, 500);
  EXPECT_TRUE(eventually([&] { return running->done() == 500; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), "500 rows, 500 different");
}

TEST_F(DrainIntoSqlite, AFileSetBackToAnOlderCopyIsFilledAgain) {
  auto running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(0, 200);
  ASSERT_TRUE(eventually([&] { return running->done() == 200; }));
  running->stop();
  running.reset();  // the last connection closes: no WAL is left beside the file
  std::filesystem::copy_file(file_, file_ + ".old");
  running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(200, 500);
  ASSERT_TRUE(eventually([&] { return running->done() == 300; }));
  running.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  std::filesystem::rename(file_ + ".old", file_);
  running = drain_into(sink_->lane({}));
  running->start();
  EXPECT_TRUE(eventually([&] { return tally(*sink_) == "500 rows, 500 different"; }));
}

TEST_F(DrainIntoSqlite, AFileDeletedWhileInUseIsMadeAgainAndFilled) {
  const auto running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(0, 200);
  ASSERT_TRUE(eventually([&] { return running->done() == 200; }));
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  publish_readings(200, 300);
  ASSERT_TRUE(eventually([&] { return running->done() == 300; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), "300 rows, 300 different");
}

TEST_F(DrainIntoSqlite, AnIdleLaneNoticesThatItsFileIsGone) {
  RunningDrain running(*journal, sink_->lane({}), test::catalog_of(test::readings_mapping), {},
                       RunningDrain::fast(), clock);
  running.start();
  publish_readings(0, 200);
  ASSERT_TRUE(soon([&] { return running.done() == 200; }));
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  EXPECT_TRUE(soon([&] { return running.counters.rows == 400; }));
  EXPECT_EQ(running.stop(), DrainEnd::stopped) << running.error;
  EXPECT_EQ(tally(*sink_), "200 rows, 200 different");
}

TEST_F(DrainIntoSqlite, ALaneNoticesWhatIsPutBackInPlace) {
  a_lane_notices_what_is_put_back(*sink_);
}

TEST_F(DrainIntoSqlite, LanesThatSawOtherTypesFirstLoseOnlyTheMessagesThatDoNotFit) {
  lanes_with_other_types(*sink_);
}

TEST_F(DrainIntoSqlite, AWriterThatHoldsTheFileOnlyDelays) {
  const auto running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->done() == 10; }));
  {
    auto other = sink_->lane(Lane{1});
    ASSERT_TRUE(other->open({"other", "j", Lane{1}}, {}));
    ASSERT_TRUE(other->begin());
    publish_readings(10, 20);
    ASSERT_TRUE(eventually([&] { return !running->counters.connected; }));
    other->rollback();
  }
  EXPECT_TRUE(eventually([&] { return running->done() == 20; }));
  running->stop();
  EXPECT_EQ(tally(*sink_), "20 rows, 20 different");
}

class DrainIntoPostgres : public DrainIntoDatabase {
 protected:
  void SetUp() override {
    DrainIntoDatabase::SetUp();
    url_ = server_.new_database();
    sink_ = postgres::make_sink(url_);
  }
  /// Ends every connection of the gateways.
  void terminate() {
    server_.sql("postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name "
                "LIKE 'rowgate%'");
  }
  test::PostgresServer& server_ = test::PostgresServer::shared();
  std::string url_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(DrainIntoPostgres, KilledBackendsLoseAndDoubleNothing) {
  const auto running = drain_into(sink_->lane({}));
  running->start();
  std::atomic<bool> publishing{true};
  std::jthread killer([&] {
    while (publishing) terminate();
  });
  int n = 0;
  // On a busy machine the first kill may take its time.
  for (; n < 4000 || (running->counters.retries == 0 && n < 400'000); n += 100) {
    publish_readings(n, n + 100);
    ASSERT_TRUE(eventually([&] { return running->done() + 600 >= static_cast<unsigned>(n); }));
  }
  publishing = false;
  killer.join();
  EXPECT_TRUE(eventually([&] { return running->done() == static_cast<unsigned>(n); }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), fmt::format("{0} rows, {0} different", n));
  EXPECT_GT(running->counters.retries, 0U);
}

TEST_F(DrainIntoPostgres, AServerThatCrashesAndComesBackLosesAndDoublesNothing) {
  const auto running = drain_into(sink_->lane({}));
  running->start();
  for (int round = 0; round < 3; ++round) {
    publish_readings(round * 200, round * 200 + 100);
    server_.stop("immediate");
    publish_readings(round * 200 + 100, round * 200 + 200);
    server_.start();
  }
  EXPECT_TRUE(eventually([&] { return running->done() == 600; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), "600 rows, 600 different");
}

TEST_F(DrainIntoPostgres, AnIdleLaneNoticesThatItsConnectionIsLost) {
  RunningDrain running(*journal, sink_->lane({}), test::catalog_of(test::readings_mapping), {},
                       RunningDrain::fast(), clock);
  running.start();
  publish_readings(0, 10);
  ASSERT_TRUE(soon([&] { return running.done() == 10; }));
  server_.stop("fast");
  EXPECT_TRUE(soon([&] { return !running.counters.connected; }));
  server_.start();
  EXPECT_TRUE(soon([&] { return running.counters.connected.load(); }));
  EXPECT_TRUE(soon([&] { return running.counters.flushed == running.counters.checkpoint; }));
  EXPECT_EQ(running.stop(), DrainEnd::stopped) << running.error;
  EXPECT_THAT(running.warnings(),
              testing::ElementsAre(HasSubstr("trying again"), HasSubstr("back")));
}

TEST_F(DrainIntoPostgres, ALaneNoticesWhatIsPutBackInPlace) {
  a_lane_notices_what_is_put_back(*sink_);
}

TEST_F(DrainIntoPostgres, CommitsThatAnAsynchronousServerForgetsAreDoneAgain) {
  server_.sql("postgres",
              "ALTER DATABASE " + test::database_of(url_) + " SET synchronous_commit = off");
  server_.configure("wal_writer_delay = 10s");
  server_.stop("fast");
  server_.start();
  const auto running = drain_into(sink_->lane({}));
  running->start();
  // The server may flush for reasons of its own, and then forgets nothing: once more.
  bool went_back = false;
  int readings = 0;
  for (int crash = 0; crash < 5 && !went_back; ++crash) {
    publish_readings(readings, readings + 500);
    readings += 500;
    ASSERT_TRUE(eventually([&] { return running->done() == static_cast<std::size_t>(readings); }));
    server_.stop("immediate");
    server_.start();
    publish_readings(readings, readings + 100);
    readings += 100;
    const std::string all = std::to_string(readings);
    EXPECT_TRUE(eventually([&] { return tally(*sink_) == all + " rows, " + all + " different"; }));
    for (const std::string& text : running->warnings())
      went_back |= text.find("went back") != std::string::npos;
  }
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(running->counters.stored, static_cast<std::uint64_t>(readings));
  EXPECT_TRUE(went_back) << "the server forgot nothing: the test proves nothing";
}

TEST_F(DrainIntoPostgres, AFrozenServerIsGivenUpAndFoundAgain) {
  const auto running = drain_into(std::make_unique<postgres::PostgresLane>(
      url_, postgres::IngestConnection::Limits{std::chrono::seconds(1), std::chrono::seconds(1)}));
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->done() == 10; }));
  const auto retries = running->counters.retries.load();
  server_.freeze();
  publish_readings(10, 20);
  EXPECT_TRUE(eventually([&] { return running->counters.retries > retries + 1; }));
  server_.thaw();
  EXPECT_TRUE(eventually([&] { return running->done() == 20; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), "20 rows, 20 different");
}

TEST_F(DrainIntoPostgres, AStopEndsInTimeThoughTheServerIsFrozen) {
  auto running = drain_into(sink_->lane({}));
  running->start(std::chrono::milliseconds(200));
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->done() == 10; }));
  server_.freeze();
  publish_readings(10, 20);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  const auto asked = std::chrono::steady_clock::now();
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(10));
  running.reset();  // its connection holds the checkpoint
  server_.thaw();
  const auto again = drain_into(sink_->lane({}));
  again->start();
  EXPECT_TRUE(eventually([&] { return tally(*sink_) == "20 rows, 20 different"; }));
}

TEST_F(DrainIntoPostgres, LanesThatSawOtherTypesFirstLoseOnlyTheMessagesThatDoNotFit) {
  lanes_with_other_types(*sink_);
}

TEST_F(DrainIntoPostgres, ARowTheDatabaseRefusesIsADeadLetterWithItsReason) {
  server_.sql(
      test::database_of(url_),
      "CREATE TABLE readings (ts timestamptz, device text, n bigint CHECK (n % 100 <> 42))");
  const auto running = drain_into(sink_->lane({}));
  running->start();
  publish_readings(0, 500);
  EXPECT_TRUE(eventually([&] { return running->done() == 500; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(tally(*sink_), "495 rows, 495 different");
  EXPECT_EQ(first_cell(*sink_,
                       "SELECT count(*) FROM rowgate_dead_letter WHERE mapping = 'readings' "
                       "AND reason LIKE '%readings_n_check%' AND payload LIKE '%42}'"),
            "5");
}

TEST_F(DrainIntoPostgres, LanesThatUpdateTheSameKeysGetAlong) {
  open_journal(2);
  const auto catalog = test::catalog_of(R"(
[[mapping]]
name = "latest"
topic = "d/{device}"
table = "latest"
payload = "json"
key = ["k"]
on_conflict = "update"
[mapping.columns]
k = { from = "/k", type = "bigint" }
n = { from = "/n", type = "bigint" }
)");
  RunningDrain first(*journal, sink_->lane(Lane{0}), catalog, Lane{0});
  RunningDrain second(*journal, sink_->lane(Lane{1}), catalog, Lane{1});
  first.start();
  second.start();
  const std::string clients[] = {client_of(Lane{0}), client_of(Lane{1})};
  for (int n = 0; n < 2000; ++n)
    publish("d/a", fmt::format(R"({{"k": {}, "n": {}}})", n * 7 % 20, n), clients[n % 2]);
  EXPECT_TRUE(eventually([&] { return first.done() + second.done() == 2000; }));
  EXPECT_EQ(first.stop(), DrainEnd::stopped) << first.error;
  EXPECT_EQ(second.stop(), DrainEnd::stopped) << second.error;
  EXPECT_EQ(first.counters.stored + second.counters.stored, 2000U);
  EXPECT_EQ(first_cell(*sink_, "SELECT count(*) FROM latest"), "20");
}

}  // namespace
}  // namespace rowgate::storage
