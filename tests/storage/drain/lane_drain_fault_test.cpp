// Exactly once, whatever the database does: every operation may fail in any way a database can.
#include <random>

#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::CommitFate;
using test::DrainTest;

class DrainFaults : public DrainTest, public testing::WithParamInterface<unsigned> {};

TEST_P(DrainFaults, EveryMessageEndsUpExactlyOnce) {
  std::mt19937 random(GetParam());
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  std::atomic<bool> calm{false};
  database.fail = [&](std::string_view operation) -> std::optional<SinkError> {
    if (calm || !chance(operation == "open" ? 3 : 12)) return std::nullopt;
    return SinkError{CommitOutcome::retry, "by chance"};
  };
  database.commit_fate = [&] {
    if (calm || !chance(6)) return CommitFate::answered;
    return chance(2) ? CommitFate::lost_before : CommitFate::lost_after;
  };
  database.refuse = [](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    for (const std::string& value : row.values)
      if (row.table == "readings" && value.ends_with("77")) return "ends in 77";
    return std::nullopt;
  };
  constexpr int count = 2000;
  auto options = test::RunningDrain::fast();
  options.max_rows = 1 + random() % 60;
  const auto running = drain(options);
  running->start();
  for (int n = 0; n < count; ++n) {
    publish("d/a", fmt::format(R"({{"n": {}}})", n));
    // Deletes what is safe to delete, as the gateway does.
    if (n % 100 == 0) journal->trim(Position{running->counters.flushed.load()});
  }
  ASSERT_TRUE(eventually([&] { return running->done() >= count / 2; }));
  calm = true;
  ASSERT_TRUE(eventually([&] { return running->done() >= count; }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;

  std::vector<int> expected;
  for (int n = 0; n < count; ++n)
    if (n % 100 != 77) expected.push_back(n);
  EXPECT_EQ(stored(), expected);
  EXPECT_EQ(database.rows("rowgate_dead_letter").size(), count / 100U);
  EXPECT_EQ(running->counters.stored, expected.size());
  EXPECT_EQ(running->counters.dead_letter, count / 100U);
  EXPECT_EQ(running->counters.rows, expected.size());
}

TEST_P(DrainFaults, ADatabaseThatForgetsCommitsAgainAndAgainEndsComplete) {
  std::mt19937 random(GetParam());
  database.set_flush_lag(4);
  std::atomic<bool> calm{false};
  std::atomic<bool> crash{false};
  database.fail = [&](std::string_view operation) -> std::optional<SinkError> {
    // A database that is down lets nobody in, so that whoever comes back sees what it forgot.
    if (calm && !crash) return std::nullopt;
    if (crash || (operation != "open" && random() % 20 == 0)) {
      crash = true;  // stays down until it is started again
      return SinkError{CommitOutcome::retry, "server closed the connection"};
    }
    return std::nullopt;
  };
  constexpr int count = 2000;
  const auto running = drain();
  running->start();
  int published = 0;
  while (published < count) {
    publish_readings(published, published + 20);
    published += 20;
    if (crash) {
      database.forget(4);
      journal->trim(Position{running->counters.flushed.load()});
      crash = false;
    }
  }
  ASSERT_TRUE(eventually([&] {
    if (crash) {
      database.forget(4);
      crash = false;
    }
    return running->done() >= count;
  }));
  calm = true;
  ASSERT_TRUE(eventually([&] {
    if (crash) {
      database.forget(4);
      crash = false;
    }
    return stored().size() == count;
  }));
  EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
  EXPECT_EQ(stored(), numbers(0, count));
  EXPECT_EQ(running->counters.stored, static_cast<unsigned>(count));
}

INSTANTIATE_TEST_SUITE_P(Seeds, DrainFaults, testing::Range(1U, 13U));

}  // namespace
}  // namespace rowgate::storage
