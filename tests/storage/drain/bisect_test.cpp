#include "storage/drain/bisect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/memory_sink.hpp"

namespace rowgate::storage {
namespace {

using testing::ElementsAre;

class BisectTest : public testing::Test {
 protected:
  BisectTest() : batch({"t", {{"n", schema::Type::bigint}}, {}, {}, ""}) {
    database.refuse = [this](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
      if (!bad.contains(std::stoi(row.values[0]))) return std::nullopt;
      return "refused " + row.values[0];
    };
    lane = database.lane();
    EXPECT_TRUE(lane->open({"g", "j", {}}, {}));
    EXPECT_TRUE(lane->begin());
  }
  void fill(int rows) {
    for (int n = 0; n < rows; ++n) batch.add_row(0)[0] = schema::Value::of_bigint(n);
  }
  SinkResult<void> bisect() {
    return insert_bisected(*lane, {&batch, 0, batch.rows()},
                           [this](std::size_t row, const std::string& reason) {
                             refused.push_back(row);
                             reasons.push_back(reason);
                           });
  }

  std::set<int> bad;
  schema::RowBatch batch;
  test::MemoryDatabase database;
  std::unique_ptr<SinkLane> lane;
  std::vector<std::size_t> refused;
  std::vector<std::string> reasons;
};

TEST_F(BisectTest, OneBadRowInAThousandTakesALogarithmOfStatements) {
  fill(1000);
  bad = {637};
  ASSERT_TRUE(bisect());
  EXPECT_THAT(refused, ElementsAre(637U));
  EXPECT_THAT(reasons, ElementsAre("refused 637"));
  EXPECT_LE(database.inserts(), 2 * 10 + 3U);
  ASSERT_TRUE(lane->commit({}, {1}));
  EXPECT_EQ(database.rows().size(), 999U);
}

TEST_F(BisectTest, GoodRowsKeepTheirOrder) {
  fill(9);
  bad = {0, 4, 8};
  ASSERT_TRUE(bisect());
  EXPECT_THAT(refused, ElementsAre(0U, 4U, 8U));
  ASSERT_TRUE(lane->commit({}, {1}));
  std::vector<std::string> values;
  for (const auto& row : database.rows()) values.push_back(row.values[0]);
  EXPECT_THAT(values, ElementsAre("1", "2", "3", "5", "6", "7"));
}

TEST_F(BisectTest, AllRowsMayBeBad) {
  fill(5);
  bad = {0, 1, 2, 3, 4};
  ASSERT_TRUE(bisect());
  EXPECT_THAT(refused, ElementsAre(0U, 1U, 2U, 3U, 4U));
  ASSERT_TRUE(lane->commit({}, {1}));
  EXPECT_TRUE(database.rows().empty());
}

TEST_F(BisectTest, AnEmptySliceIsNothing) {
  ASSERT_TRUE(bisect());
  EXPECT_EQ(database.inserts(), 0U);
}

TEST_F(BisectTest, ALostDatabaseEndsTheSearch) {
  fill(8);
  bad = {3};
  int inserts = 0;
  database.fail = [&](std::string_view) -> std::optional<SinkError> {
    if (++inserts < 3) return std::nullopt;
    return SinkError{CommitOutcome::retry, "gone"};
  };
  const auto done = bisect();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().outcome, CommitOutcome::retry);
}

}  // namespace
}  // namespace rowgate::storage
