#include "storage/drain/maintenance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "tests/storage/drain/drain_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Answers maintain() as told, and says of which tables it was asked.
class Asked final : public SinkLane {
 public:
  SinkResult<Position> open(const DrainIdentity&, Position start) override { return start; }
  SinkResult<void> ensure(const schema::Table&) override { return {}; }
  SinkResult<void> begin() override { return {}; }
  SinkResult<void> insert(const RowSlice&, bool) override { return {}; }
  SinkResult<void> commit(Position, Position) override { return {}; }
  void rollback() noexcept override {}
  SinkResult<Position> checkpoint() override { return Position{}; }
  SinkResult<Position> flushed() override { return Position{}; }
  SinkResult<Maintained> maintain(const schema::Table& table, Timestamp) override {
    tables.push_back(table.name);
    if (answers.empty()) return Maintained{};
    auto answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }

  std::vector<std::string> tables;
  std::deque<SinkResult<Maintained>> answers;
};

class MaintenanceTest : public testing::Test {
 protected:
  void step() { done_ = maintenance_.step(lane_, catalog_); }

  test::ManualClock clock_;
  std::vector<std::string> warnings_;
  Maintenance maintenance_{clock_, [this](const std::string& what) { warnings_.push_back(what); }};
  Asked lane_;
  Maintenance::Done done_;
  std::shared_ptr<const schema::Catalog> catalog_ = test::catalog_of(
      std::string(test::readings_mapping) + "[table.readings]\nretention = \"1h\"\n");
};

TEST_F(MaintenanceTest, LooksAtATableAtOnceAndThenAHundredthOfItsRetentionLater) {
  step();
  step();
  EXPECT_THAT(lane_.tables, ElementsAre("readings"));
  clock_.advance(seconds(35));
  step();
  EXPECT_EQ(lane_.tables.size(), 1U);
  clock_.advance(seconds(1));
  step();
  EXPECT_EQ(lane_.tables.size(), 2U);
}

TEST_F(MaintenanceTest, GoesOnSoonWhereThereIsMore) {
  lane_.answers.emplace_back(Maintained{.rows = 500, .partitions = 1, .more = true});
  step();
  EXPECT_EQ(done_.rows, 500U);
  EXPECT_EQ(done_.partitions, 1U);
  step();
  EXPECT_EQ(lane_.tables.size(), 1U);
  clock_.advance(milliseconds(20));
  step();
  EXPECT_EQ(lane_.tables.size(), 2U);
}

TEST_F(MaintenanceTest, AFailureIsAWarningOnceUntilItWentWell) {
  const SinkError away{CommitOutcome::retry, "it is locked"};
  for (int i = 0; i < 2; ++i) {
    lane_.answers.emplace_back(away);
    step();
    clock_.advance(seconds(5));
  }
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("table readings: it is locked")));
  step();
  clock_.advance(seconds(36));
  lane_.answers.emplace_back(away);
  step();
  EXPECT_EQ(warnings_.size(), 2U);
}

TEST_F(MaintenanceTest, ATableWithoutStorageOfItsOwnIsLeftAlone) {
  catalog_ = test::catalog_of(test::readings_mapping);
  step();
  EXPECT_THAT(lane_.tables, IsEmpty());
}

}  // namespace
}  // namespace rowgate::storage
