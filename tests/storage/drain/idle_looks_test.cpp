// A lane that has nothing to do looks at its sink now and then: what it finds there is treated as
// if the next commit had found it.
#include <algorithm>

#include "tests/storage/drain/drain_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::test {
namespace {

using namespace std::chrono_literals;
using storage::CommitOutcome;
using storage::DrainEnd;
using storage::Lane;
using storage::Position;
using storage::SinkError;
using testing::ElementsAre;
using testing::HasSubstr;

/// A lane whose thread is the test, and whose time is the test's.
class IdleLooksTest : public DrainTest {
 protected:
  void SetUp() override {
    DrainTest::SetUp();
    database.fail = [this](std::string_view operation) -> std::optional<SinkError> {
      if (operation == "checkpoint") ++looks;
      if (away) return SinkError{CommitOutcome::retry, "connection refused"};
      return std::nullopt;
    };
    lane = std::make_unique<storage::LaneDrain>(
        *journal, database.lane(), storage::DrainIdentity{"gw", journal->id(), Lane{0}},
        RunningDrain::fast(), clock, [this] { return catalog; }, counters,
        [this](const std::string& text) { warnings.push_back(text); });
    ASSERT_TRUE(lane->open());
  }
  /// What run() does meanwhile.
  void pass(std::chrono::microseconds time) {
    const auto until = clock.ticks() + time;
    while (!end && clock.ticks() < until) {
      const auto step = lane->step(false, 0ms, error);
      end = step.end;
      const std::chrono::microseconds rest = step.rest.pause + step.rest.journal;
      const auto left =
          std::chrono::duration_cast<std::chrono::microseconds>(until - clock.ticks());
      clock.advance(std::min(std::max<std::chrono::microseconds>(rest, 1ms), left));
    }
  }
  /// Stores the readings [from, to), and the lane knows them flushed.
  void store(int from, int to) {
    publish_readings(from, to);
    ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
    pass(1s);
    ASSERT_EQ(counters.stored, static_cast<std::uint64_t>(to)) << error;
    ASSERT_EQ(counters.checkpoint, journal->durable().value);
    ASSERT_EQ(counters.flushed, journal->durable().value);
  }
  /// The database is an older copy now, and shows only the rows that come.
  void put_back(Position checkpoint) {
    database.set_checkpoint(Lane{0}, journal->id(), checkpoint);
  }

  ManualClock clock;
  storage::LaneCounters counters;
  std::shared_ptr<const schema::Catalog> catalog = catalog_of(readings_mapping);
  std::vector<std::string> warnings;
  std::string error;
  std::optional<DrainEnd> end;
  int looks = 0;
  bool away = false;
  std::unique_ptr<storage::LaneDrain> lane;
};

TEST_F(IdleLooksTest, ComeFiveToTenSecondsAfterOneAnother) {
  store(0, 10);
  pass(4s - 1ms);
  EXPECT_EQ(looks, 0);
  pass(6s + 300ms);
  EXPECT_GE(looks, 1);
  looks = 0;
  pass(600s);
  EXPECT_GE(looks, 58);
  EXPECT_LE(looks, 119) << "not all at the shortest distance";
  EXPECT_EQ(counters.commits, 1U);
}

TEST_F(IdleLooksTest, AreNotForALaneThatCommits) {
  for (int n = 0; n < 60; ++n) store(n, n + 1);
  EXPECT_EQ(looks, 0);
}

TEST_F(IdleLooksTest, FindThatADatabaseStartedAnewWentBack) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 300);
  put_back(then);
  database.crash(0);  // its connections are cut
  pass(11s);
  EXPECT_EQ(stored(), numbers(100, 300));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("closed the connection"),
                                    HasSubstr(fmt::format("to {}; draining", then.value)),
                                    HasSubstr("the database is back")));
  EXPECT_TRUE(counters.connected);
  EXPECT_EQ(counters.stored, 300U) << "none is counted twice";
}

TEST_F(IdleLooksTest, FindThatADatabaseWentBackUnderTheConnection) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 300);
  put_back(then);
  pass(11s);
  EXPECT_EQ(stored(), numbers(100, 300));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("where it was left"),
                                    HasSubstr(fmt::format("to {}; draining", then.value)),
                                    HasSubstr("the database is back")));
}

TEST_F(IdleLooksTest, AreNotNeededByTheNextCommit) {
  store(0, 100);
  const Position then = journal->durable();
  store(100, 300);
  put_back(then);
  store(300, 301);
  EXPECT_EQ(stored(), numbers(100, 301));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("where it was left"), HasSubstr("went back"),
                                    HasSubstr("the database is back")));
}

TEST_F(IdleLooksTest, FindThatTheDatabaseIsAway) {
  store(0, 10);
  away = true;
  pass(11s);
  EXPECT_FALSE(counters.connected);
  EXPECT_EQ(counters.flushed, 0U) << "it may come back with less: nothing may be trimmed";
  EXPECT_GT(counters.retries, 0U);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("connection refused")));
  away = false;
  pass(2s);
  EXPECT_TRUE(counters.connected);
  EXPECT_EQ(counters.flushed, counters.checkpoint);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("refused"), HasSubstr("the database is back")));
  EXPECT_EQ(stored(), numbers(0, 10));
}

TEST_F(IdleLooksTest, FindAnotherGateway) {
  store(0, 10);
  put_back(Position{journal->durable().value + 1000});
  pass(11s);
  EXPECT_EQ(end, DrainEnd::fenced);
  EXPECT_THAT(error, HasSubstr("another gateway"));
}

TEST_F(IdleLooksTest, FindThatTheCheckpointIsAnotherJournals) {
  store(0, 10);
  database.set_checkpoint(Lane{0}, "another journal", Position{});
  pass(11s);
  EXPECT_EQ(end, DrainEnd::fenced);
}

TEST_F(IdleLooksTest, FindAGapThatIsNotAcceptedUnasked) {
  const std::string filler(40'000, 'x');
  for (int n = 0; n < 20; ++n) publish("d/a", fmt::format(R"({{"n": {}, "x": "{}"}})", n, filler));
  store(20, 20);
  journal->trim(journal->durable());
  ASSERT_GT(journal->first(), Position{0});
  put_back(Position{0});
  pass(11s);
  EXPECT_EQ(end, DrainEnd::fatal);
  EXPECT_THAT(error, HasSubstr("journal.on_gap"));
}

}  // namespace
}  // namespace rowgate::test
