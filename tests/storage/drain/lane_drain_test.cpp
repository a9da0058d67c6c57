#include "storage/drain/lane_drain.hpp"

#include <future>

#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

SinkError away() {
  return {CommitOutcome::retry, "connection refused"};
}

TEST_F(DrainTest, StoresEveryMessageOnceInOrder) {
  const auto running = drain();
  running->start();
  publish_readings(0, 1000);
  EXPECT_TRUE(eventually([&] { return running->done() == 1000; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped);
  EXPECT_EQ(stored(), numbers(0, 1000));
  EXPECT_EQ(running->counters.stored, 1000U);
  EXPECT_EQ(running->counters.rows, 1000U);
  EXPECT_EQ(running->counters.checkpoint, journal->durable().value);
  EXPECT_EQ(running->counters.flushed, journal->durable().value);
  EXPECT_THAT(running->warnings(), IsEmpty());
}

TEST_F(DrainTest, AnIdleLaneShowsARowSoon) {
  const auto running = drain(DrainOptions{});  // as in production: 100 ms
  running->start();
  ASSERT_TRUE(eventually([&] { return running->counters.connected.load(); }));
  const auto began = std::chrono::steady_clock::now();
  publish_readings(0, 1);
  ASSERT_TRUE(eventually([&] { return running->done() == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

TEST_F(DrainTest, ABatchClosesOnRows) {
  publish_readings(0, 500);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  auto options = RunningDrain::fast();
  options.max_rows = 100;
  options.max_age = std::chrono::seconds(30);
  const auto running = drain(options);
  running->start();
  EXPECT_TRUE(eventually([&] { return running->done() == 500; }));
  EXPECT_EQ(database.commits(), 5U);
}

TEST_F(DrainTest, ABatchClosesOnBytes) {
  publish_readings(0, 500);
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  auto options = RunningDrain::fast();
  options.max_rows = 1'000'000;
  options.max_bytes = 4096;
  options.max_age = std::chrono::seconds(30);
  const auto running = drain(options);
  running->start();
  // The last ones wait for their age.
  EXPECT_TRUE(eventually([&] { return running->done() > 400; }));
  EXPECT_GT(database.commits(), 5U);
}

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

TEST_F(DrainTest, ARefusedRowBecomesADeadLetterAndTheOthersAreStored) {
  database.refuse = [](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    for (const std::string& value : row.values)
      if (row.table == "readings" && (value == "7" || value == "123")) return "no " + value;
    return std::nullopt;
  };
  auto options = RunningDrain::fast();
  options.max_rows = 200;
  options.max_age = std::chrono::seconds(30);
  publish_readings(0, 200);
  const auto running = drain(options);
  running->start();
  EXPECT_TRUE(eventually([&] { return running->done() == 200; }));
  running->stop();
  EXPECT_THAT(stored(), SizeIs(198));
  EXPECT_EQ(running->counters.stored, 198U);
  EXPECT_EQ(running->counters.dead_letter, 2U);
  EXPECT_EQ(running->counters.rows, 198U);
  const auto letters = database.rows("rowgate_dead_letter");
  ASSERT_THAT(letters, SizeIs(2));
  EXPECT_THAT(letters[0].values, testing::Contains(HasSubstr("no 7")));
  EXPECT_THAT(letters[0].values, testing::Contains("readings"));
  EXPECT_THAT(letters[0].values, testing::Contains("{\"n\": 7}"));
  EXPECT_THAT(letters[1].values, testing::Contains(HasSubstr("no 123")));
  EXPECT_LT(database.inserts(), 50U);  // not one by one
}

TEST_F(DrainTest, ATableThatDoesNotFitBlocksNobodyElse) {
  database.misfit = [](const schema::Table& table) -> std::optional<std::string> {
    return table.name == "broken" ? std::optional<std::string>("column n has text") : std::nullopt;
  };
  const std::string mapping = std::string(test::readings_mapping) + R"(
[[mapping]]
name = "broken"
topic = "x/{device}"
table = "broken"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint" }
)";
  const auto running = drain(RunningDrain::fast(), mapping.c_str());
  running->start();
  for (int n = 0; n < 100; ++n) publish(n % 2 ? "x/a" : "d/a", fmt::format(R"({{"n": {}}})", n));
  EXPECT_TRUE(eventually([&] { return running->done() == 100; }));
  running->stop();
  EXPECT_EQ(running->counters.stored, 50U);
  EXPECT_EQ(running->counters.dead_letter, 50U);
  EXPECT_THAT(database.rows("rowgate_dead_letter"), SizeIs(50));
  EXPECT_THAT(database.rows("broken"), IsEmpty());
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("column n has text")));
}

TEST_F(DrainTest, UnmappedMessagesAreStoredOrOnlyCounted) {
  auto running = drain();
  running->start();
  publish("elsewhere", "hello");
  EXPECT_TRUE(eventually([&] { return running->counters.unmapped == 1; }));
  running->stop();
  EXPECT_THAT(database.rows("rowgate_unmapped"), SizeIs(1));

  auto options = RunningDrain::fast();
  options.store_unmapped = false;
  running = drain(options);
  running->start();
  publish("elsewhere", "hello");
  EXPECT_TRUE(eventually([&] { return running->counters.unmapped == 1; }));
  running->stop();
  EXPECT_THAT(database.rows("rowgate_unmapped"), SizeIs(1));
  EXPECT_EQ(database.checkpoint(Lane{0}), journal->durable());
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

TEST_F(DrainTest, AFatalAnswerEndsTheDrainWithItsSentence) {
  database.fail = [](std::string_view operation) -> std::optional<SinkError> {
    if (operation != "insert") return std::nullopt;
    return SinkError{CommitOutcome::fatal, "the file is corrupt"};
  };
  const auto running = drain();
  running->start();
  publish_readings(0, 1);
  ASSERT_TRUE(eventually([&] { return running->end().has_value(); }));
  EXPECT_EQ(running->stop(), DrainEnd::fatal);
  EXPECT_EQ(running->error, "the file is corrupt");
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

TEST_F(DrainTest, TwoLanesShareTheWork) {
  open_journal(2);
  RunningDrain first(*journal, database.lane(), test::catalog_of(test::readings_mapping), Lane{0});
  RunningDrain second(*journal, database.lane(), test::catalog_of(test::readings_mapping), Lane{1});
  first.start();
  second.start();
  const std::string clients[] = {client_of(Lane{0}), client_of(Lane{1})};
  for (int n = 0; n < 400; ++n) publish("d/a", fmt::format(R"({{"n": {}}})", n), clients[n % 2]);
  EXPECT_TRUE(eventually([&] { return first.done() == 200 && second.done() == 200; }));
  first.stop();
  second.stop();
  auto values = stored();
  std::ranges::sort(values);
  EXPECT_EQ(values, numbers(0, 400));
}

TEST_F(DrainTest, StopDrainsWhatIsDurable) {
  auto options = RunningDrain::fast();
  options.max_age = std::chrono::seconds(60);
  options.max_rows = 1'000'000;
  const auto running = drain(options);
  running->start();
  publish_readings(0, 100);
  journal->stop();  // commits them
  EXPECT_EQ(running->stop(), DrainEnd::stopped);
  EXPECT_EQ(stored(), numbers(0, 100));
  EXPECT_EQ(running->done(), 100U);
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

TEST_F(DrainTest, ANewCatalogHoldsFromTheNextBatchOn) {
  const auto running = drain();
  running->start();
  publish_readings(0, 10);
  ASSERT_TRUE(eventually([&] { return running->done() == 10; }));
  running->set_catalog(test::catalog_of(R"(
[[mapping]]
name = "other"
topic = "d/{device}"
table = "other"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint" }
)"));
  // The batch being filled may still hold the old one.
  publish_readings(10, 11);
  ASSERT_TRUE(eventually([&] { return running->done() == 11; }));
  publish_readings(11, 12);
  EXPECT_TRUE(eventually([&] { return running->done() == 12; }));
  running->stop();
  EXPECT_GE(database.rows("other").size(), 1U);
  EXPECT_EQ(database.rows("other").size() + database.rows("readings").size(), 12U);
}

TEST_F(DrainTest, ACorruptSegmentIsFatal) {
  const std::string filler(4000, 'x');
  for (int i = 0; i < 200; ++i) publish("elsewhere", filler);  // beyond the window in memory
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  for (auto& [name, content] : disk.files()) {
    std::string damaged = content;
    for (std::size_t at = 9000; at + 1 < damaged.size(); at += 5000) damaged[at] ^= 0x55;
    if (name.ends_with(".seg")) disk.set_content(name, damaged);
  }
  const auto running = drain();
  running->start();
  ASSERT_TRUE(eventually([&] { return running->end().has_value(); }));
  EXPECT_EQ(running->stop(), DrainEnd::fatal);
  EXPECT_FALSE(running->error.empty());
}

}  // namespace
}  // namespace rowgate::storage
