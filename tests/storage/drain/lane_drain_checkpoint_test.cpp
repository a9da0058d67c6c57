// The database's checkpoint and the journal: where a lane goes on, and where it must not.
#include <algorithm>

#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(DrainTest, WhatWasRecoveredIsCountedAndDrained) {
  publish_readings(0, 30);
  journal->stop();
  open_journal();
  const auto running = drain();
  ASSERT_TRUE(running->open());
  EXPECT_EQ(running->counters.recovered, 30U);
  running->start();
  EXPECT_TRUE(eventually([&] { return running->done() == 30; }));
  EXPECT_EQ(stored(), numbers(0, 30));
}

TEST_F(DrainTest, ARestartGoesOnAtTheCheckpoint) {
  auto running = drain();
  running->start();
  publish_readings(0, 100);
  ASSERT_TRUE(eventually([&] { return running->done() == 100; }));
  running->stop();
  running = drain();
  running->start();
  publish_readings(100, 200);
  ASSERT_TRUE(eventually([&] { return running->done() == 100; }));
  running->stop();
  EXPECT_EQ(stored(), numbers(0, 200));
}

TEST_F(DrainTest, ADatabaseThatForgetsCommitsGetsThemAgain) {
  database.set_flush_lag(1000);
  const auto running = drain();
  running->start();
  publish_readings(0, 300);
  ASSERT_TRUE(eventually([&] { return running->done() == 300; }));
  // It restarts without its last commits.
  std::atomic<bool> down{true};
  running->stop();
  EXPECT_GT(database.forget(3), 0U);
  EXPECT_LT(stored().size(), 300U);
  const auto again = drain();
  again->start();
  publish_readings(300, 301);
  EXPECT_TRUE(eventually([&] { return stored().size() == 301; }));
  again->stop();
  EXPECT_EQ(stored(), numbers(0, 301));
}

TEST_F(DrainTest, AnIdleLanesCheckpointFollowsTheJournal) {
  open_journal(2);
  publish("d/a", R"({"n": 1})", client_of(Lane{1}));
  const auto running = drain();  // lane 0: none of it is ours
  running->start();
  EXPECT_TRUE(eventually([&] { return running->counters.checkpoint == journal->durable().value; }));
  EXPECT_TRUE(eventually([&] { return running->counters.flushed == journal->durable().value; }));
  EXPECT_EQ(running->done(), 0U);
  EXPECT_THAT(database.rows(), IsEmpty());
}

TEST_F(DrainTest, LanesMayGoAndComeBack) {
  int n = 0;
  for (const std::uint16_t lanes : std::initializer_list<std::uint16_t>{4, 2, 4}) {
    open_journal(lanes);
    ASSERT_EQ(journal->lanes(), lanes);
    std::vector<std::unique_ptr<RunningDrain>> drains;
    for (std::uint16_t lane = 0; lane < lanes; ++lane) {
      drains.push_back(std::make_unique<RunningDrain>(
          *journal, database.lane(), test::catalog_of(test::readings_mapping), Lane{lane}));
      const auto opened = drains.back()->open();
      ASSERT_TRUE(opened) << opened.error().message;
      drains.back()->start();
      publish("d/a", fmt::format(R"({{"n": {}}})", n++), client_of(Lane{lane}));
    }
    ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
    Position flushed{UINT64_MAX};
    for (const auto& running : drains) {
      EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
      flushed = std::min(flushed, Position{running->counters.flushed});
    }
    journal->trim(flushed);
    journal->stop();
  }
  auto values = stored();
  std::sort(values.begin(), values.end());
  EXPECT_EQ(values, numbers(0, n));
}

TEST_F(DrainTest, ACheckpointThatAnotherMovesFencesUs) {
  publish_readings(0, 10);
  auto first = drain();
  first->start();
  ASSERT_TRUE(eventually([&] { return first->done() == 10; }));
  // The second one has our name and the same journal.
  auto second = drain();
  ASSERT_TRUE(second->open());
  second->start();
  ASSERT_TRUE(eventually([&] { return second->counters.connected.load(); }));
  publish_readings(10, 500);
  ASSERT_TRUE(eventually([&] { return first->end() || second->end(); }));
  RunningDrain& fenced = first->end() ? *first : *second;
  RunningDrain& other = first->end() ? *second : *first;
  EXPECT_EQ(fenced.stop(), DrainEnd::fenced);
  EXPECT_FALSE(fenced.error.empty());
  EXPECT_TRUE(eventually([&] { return stored().size() == 500 || other.end().has_value(); }));
  other.stop();
  // Whoever was fenced, nothing is stored twice.
  const auto values = stored();
  EXPECT_EQ(values, numbers(0, static_cast<int>(values.size())));
}

TEST_F(DrainTest, WhatAnotherGatewayFlushedFreesNoSegmentOfOurs) {
  database.set_flush_lag(1);
  const auto running = drain();
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return stored().size() == 10; }));
  ASSERT_TRUE(eventually([&] { return running->counters.checkpoint == journal->durable().value; }));
  const std::uint64_t ours = running->counters.checkpoint;
  database.set_checkpoint(Lane{0}, journal->id(), Position{ours + 1000});
  ASSERT_TRUE(eventually([&] { return running->counters.flushed >= ours; }));
  EXPECT_EQ(running->counters.flushed, ours);
}

TEST_F(DrainTest, ACheckpointBeyondTheJournalIsFatal) {
  database.set_checkpoint(Lane{0}, journal->id(), Position{1'000'000'000});
  const auto opened = drain()->open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().outcome, CommitOutcome::fatal);
  EXPECT_THAT(opened.error().message, HasSubstr("beyond the end"));
}

TEST_F(DrainTest, ACheckpointBelowTheJournalIsFatalUnlessTheGapIsAccepted) {
  const std::string filler(4000, 'x');
  for (int i = 0; i < 300; ++i) publish("elsewhere", filler);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  const Position old = journal->first();
  journal->trim(journal->durable());
  ASSERT_GT(journal->first(), old);
  database.set_checkpoint(Lane{0}, journal->id(), old);
  const auto opened = drain()->open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().outcome, CommitOutcome::fatal);
  EXPECT_THAT(opened.error().message, HasSubstr("accept"));

  auto options = RunningDrain::fast();
  options.accept_gap = true;
  const auto running = drain(options);
  ASSERT_TRUE(running->open());
  running->start();
  publish_readings(0, 5);
  EXPECT_TRUE(eventually([&] { return stored().size() == 5; }));
}

}  // namespace
}  // namespace rowgate::storage
