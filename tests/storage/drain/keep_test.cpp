// A database that went back (restored from a back-up, a standby promoted) is filled again out of
// what the journal retains; what is missing is said.
#include "tests/storage/drain/drain_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::test {
namespace {

using storage::CommitOutcome;
using storage::Lane;
using storage::Position;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KeepTest : public DrainTest {
 protected:
  void SetUp() override { open(std::chrono::hours(1)); }

  void open(std::chrono::seconds keep) {
    if (journal) journal->stop();
    journal.reset();
    storage::JournalOptions options;
    options.segment_bytes = 32U << 10;
    options.batch_bytes = 16U << 10;
    options.window_bytes = 16U << 10;
    options.max_bytes = 4U << 20;
    options.keep = keep;
    options.clock = &clock;
    journal = storage::Journal::open(disk.directory(), options);
    journal->start([](Position) {}, [](const std::string&) {});
  }
  /// Stores the readings [from, to) and lets the journal know that they are flushed.
  void store(int from, int to) {
    const auto running = drain();
    ASSERT_TRUE(running->open());
    running->start();
    for (int n = from; n < to; ++n) {
      publish("d/a", fmt::format(R"({{"n": {}, "filler": "{}"}})", n, std::string(400, 'x')));
    }
    ASSERT_TRUE(eventually([&] { return stored().size() == static_cast<std::size_t>(to); }));
    ASSERT_TRUE(
        eventually([&] { return running->counters.flushed.load() == journal->durable().value; }));
    running->stop();
    journal->trim(journal->durable());
  }
  /// Another database takes the place of this one: an older copy of it, whose checkpoint is at
  /// `position` and which shows only the rows that come.
  void restore(Position position) {
    restored = std::make_unique<MemoryDatabase>();
    restored->set_checkpoint(Lane{0}, journal->id(), position);
  }
  std::unique_ptr<RunningDrain> drain_restored(bool accept_gap = false) {
    auto options = RunningDrain::fast();
    options.accept_gap = accept_gap;
    return std::make_unique<RunningDrain>(*journal, restored->lane(), catalog_of(readings_mapping),
                                          Lane{0}, options);
  }
  std::vector<int> restored_readings() const {
    const std::size_t n = catalog_of(readings_mapping)->tables[0].column("n").value();
    std::vector<int> values;
    for (const auto& row : restored->rows("readings")) values.push_back(std::stoi(row.values[n]));
    return values;
  }

  ManualClock clock;
  std::unique_ptr<MemoryDatabase> restored;
};

TEST_F(KeepTest, ARestoredDatabaseIsFilledAgainFromWhatIsRetained) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 600);
  ASSERT_GT(journal->retained_bytes(), 0U);
  restore(then);
  const auto running = drain_restored();
  ASSERT_TRUE(running->open());
  EXPECT_THAT(running->warnings(),
              ElementsAre(AllOf(HasSubstr(fmt::format("checkpoint is {}", then.value)),
                                HasSubstr("received at 2026-01-01"), HasSubstr("restored"))));
  EXPECT_EQ(journal->trimmed(), then) << "nothing behind it makes way any more";
  EXPECT_EQ(running->counters.recovered, 0U) << "this process has taken them in";
  running->start();
  EXPECT_TRUE(eventually([&] { return restored_readings().size() >= 500; }));
  running->stop();
  EXPECT_EQ(restored_readings(), numbers(100, 600));
}

TEST_F(KeepTest, AlsoAfterARestart) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 600);
  open(std::chrono::hours(1));
  restore(then);
  const auto running = drain_restored();
  ASSERT_TRUE(running->open());
  EXPECT_EQ(running->warnings().size(), 1U);
  EXPECT_EQ(running->counters.recovered, 500U);
  running->start();
  EXPECT_TRUE(eventually([&] { return restored_readings().size() >= 500; }));
  running->stop();
  EXPECT_EQ(restored_readings(), numbers(100, 600));
}

TEST_F(KeepTest, ALaneThatFindsItsCheckpointSaysNothing) {
  store(0, 300);
  const auto running = drain();
  ASSERT_TRUE(running->open());
  EXPECT_THAT(running->warnings(), IsEmpty());
}

TEST_F(KeepTest, WhatIsRetainedDoesNotCountAsWaitingWhileTheDatabaseIsAway) {
  store(0, 300);
  open(std::chrono::hours(1));
  publish_readings(300, 310);
  database.fail = [](std::string_view operation) -> std::optional<storage::SinkError> {
    if (operation == "open") return storage::SinkError{CommitOutcome::retry, "away"};
    return std::nullopt;
  };
  const auto running = drain();
  EXPECT_FALSE(running->open());
  EXPECT_EQ(running->counters.recovered, 0U);
}

TEST_F(KeepTest, AGapThatIsCoveredInPartIsSaidAndTheRestDrainedOnceItIsAccepted) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 300);
  clock.advance(std::chrono::minutes(50));
  store(300, 600);
  clock.advance(std::chrono::minutes(20));
  journal->trim(journal->durable());
  ASSERT_GT(journal->first(), then);
  ASSERT_GT(journal->retained_bytes(), 0U);
  restore(then);
  const auto refused = drain_restored()->open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().outcome, CommitOutcome::fatal);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr(fmt::format("checkpoint is {}", then.value)),
                    HasSubstr(fmt::format("begins at {}", journal->first().value)),
                    HasSubstr("received at 2026-01-01"), HasSubstr("journal.on_gap = \"accept\"")));

  const auto running = drain_restored(true);
  ASSERT_TRUE(running->open());
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("going on without them")));
  running->start();
  publish_readings(600, 601);
  EXPECT_TRUE(eventually([&] {
    const auto values = restored_readings();
    return !values.empty() && values.back() == 600;
  }));
  running->stop();
  const auto values = restored_readings();
  EXPECT_GT(values.front(), 100);
  EXPECT_LE(values.front(), 300);
  EXPECT_EQ(values, numbers(values.front(), 601));
}

}  // namespace
}  // namespace rowgate::test
