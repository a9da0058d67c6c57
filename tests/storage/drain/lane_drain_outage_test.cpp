// A database that is away, slow, or does not answer: said once, and nothing lost or stored twice.
#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;
using testing::ElementsAre;
using testing::HasSubstr;

SinkError away() {
  return {CommitOutcome::retry, "connection refused"};
}

TEST_F(DrainTest, AnOutageIsSaidOnceAndItsEndOnce) {
  std::atomic<bool> down{true};
  database.fail = [&](std::string_view) { return down ? std::optional(away()) : std::nullopt; };
  const auto running = drain();
  running->start();
  publish_readings(0, 100);
  ASSERT_TRUE(eventually([&] { return running->counters.retries > 5; }));
  EXPECT_FALSE(running->counters.connected);
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("connection refused")));
  down = false;
  EXPECT_TRUE(eventually([&] { return running->done() == 100; }));
  EXPECT_TRUE(running->counters.connected);
  running->stop();
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("connection refused"), HasSubstr("back")));
  EXPECT_EQ(stored(), numbers(0, 100));
}

TEST_F(DrainTest, AnOutageOfAnIdleLaneEndsWithoutATraffic) {
  std::atomic<bool> down{true};
  database.fail = [&](std::string_view) { return down ? std::optional(away()) : std::nullopt; };
  const auto running = drain();
  const auto opened = running->open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().outcome, CommitOutcome::retry);
  running->start();
  down = false;
  EXPECT_TRUE(eventually([&] { return running->warnings().size() == 1; }));
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("back")));
}

TEST_F(DrainTest, WhatWasRecoveredIsCountedWhileTheDatabaseIsAwayAndCorrectedAfterwards) {
  auto running = drain();
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->done() == 10; }));
  running->stop();
  publish_readings(10, 30);
  journal->stop();
  open_journal();
  std::atomic<bool> down{true};
  database.fail = [&](std::string_view) { return down ? std::optional(away()) : std::nullopt; };
  running = drain();
  ASSERT_FALSE(running->open());
  EXPECT_EQ(running->counters.recovered, 30U);  // not less than the 20 that wait
  down = false;
  running->start();
  EXPECT_TRUE(eventually([&] { return running->done() == 20; }));
  EXPECT_EQ(running->counters.recovered, 20U);
}

TEST_F(DrainTest, NothingCountsAsFlushedWhileTheDatabaseIsAway) {
  std::atomic<bool> away{false};
  database.fail = [&](std::string_view) -> std::optional<SinkError> {
    if (!away) return std::nullopt;
    return SinkError{CommitOutcome::retry, "the database is away"};
  };
  const auto running = drain();
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->counters.flushed == journal->durable().value; }));
  away = true;
  publish_readings(10, 20);
  ASSERT_TRUE(eventually([&] { return running->counters.retries > 1; }));
  EXPECT_EQ(running->counters.flushed, 0U) << "it may come back with less than it had";
  away = false;
  EXPECT_TRUE(eventually([&] { return running->counters.flushed == journal->durable().value; }));
}

TEST_F(DrainTest, ALostAnswerToACommitThatTookEffectCountsOnce) {
  int commits = 0;
  database.commit_fate = [&] {
    return ++commits == 2 ? test::CommitFate::lost_after : test::CommitFate::answered;
  };
  const auto running = drain();
  running->start();
  publish_readings(0, 300);
  EXPECT_TRUE(eventually([&] { return running->done() == 300; }));
  running->stop();
  EXPECT_EQ(stored(), numbers(0, 300));
  EXPECT_EQ(running->counters.stored, 300U);
  EXPECT_EQ(running->counters.rows, 300U);
}

TEST_F(DrainTest, ALostAnswerToACommitThatDidNotTakeEffectIsDoneAgain) {
  int commits = 0;
  database.commit_fate = [&] {
    return ++commits == 2 ? test::CommitFate::lost_before : test::CommitFate::answered;
  };
  const auto running = drain();
  running->start();
  publish_readings(0, 300);
  EXPECT_TRUE(eventually([&] { return running->done() == 300; }));
  running->stop();
  EXPECT_EQ(stored(), numbers(0, 300));
  EXPECT_EQ(running->counters.stored, 300U);
}

/// A database that runs into its time limit with more than 8 rows at once.
class SlowLane final : public SinkLane {
 public:
  explicit SlowLane(std::unique_ptr<SinkLane> lane) : lane_(std::move(lane)) {}
  SinkResult<Position> open(const DrainIdentity& identity, Position start) override {
    return lane_->open(identity, start);
  }
  SinkResult<void> ensure(const schema::Table& table) override { return lane_->ensure(table); }
  SinkResult<void> begin() override { return lane_->begin(); }
  SinkResult<void> insert(const RowSlice& rows, bool savepoint) override {
    if (rows.count > 8) return SinkError{CommitOutcome::retry, "statement timeout"};
    return lane_->insert(rows, savepoint);
  }
  SinkResult<void> commit(Position from, Position to) override { return lane_->commit(from, to); }
  void rollback() noexcept override { lane_->rollback(); }
  SinkResult<Position> checkpoint() override { return lane_->checkpoint(); }
  SinkResult<Position> flushed() override { return lane_->flushed(); }

 private:
  std::unique_ptr<SinkLane> lane_;
};

TEST_F(DrainTest, ABatchTooLargeForTheDatabaseBecomesSmaller) {
  publish_readings(0, 100);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  RunningDrain running(*journal, std::make_unique<SlowLane>(database.lane()),
                       test::catalog_of(test::readings_mapping));
  running.start();
  EXPECT_TRUE(eventually([&] { return running.done() == 100; }));
  EXPECT_EQ(running.stop(), DrainEnd::stopped) << running.error;
  EXPECT_EQ(stored(), numbers(0, 100));
}

TEST_F(DrainTest, StopGivesUpAfterLingerWhenTheDatabaseIsAway) {
  database.fail = [](std::string_view) { return std::optional(away()); };
  auto options = RunningDrain::fast();
  options.backoff_first = options.backoff_max = std::chrono::minutes(10);
  const auto running = drain(options);
  running->start(std::chrono::milliseconds(50));
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(running->stop(), DrainEnd::stopped);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  EXPECT_EQ(running->done(), 0U);
}

}  // namespace
}  // namespace rowgate::storage
