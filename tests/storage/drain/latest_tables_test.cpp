#include "storage/drain/latest_tables.hpp"

#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string mapping = std::string(test::readings_mapping) +
                            "[table.readings]\nlatest = true\nlatest_key = [\"device\"]\n";

class LatestTablesTest : public DrainTest {
 protected:
  /// Column n of the table's rows, in the order in which they were committed.
  std::vector<std::string> numbers_in(std::string_view table) const {
    const std::size_t n = *test::catalog_of(mapping)->tables[0].column("n");
    std::vector<std::string> values;
    for (const auto& row : database.rows(table)) values.push_back(row.values[n]);
    return values;
  }
  /// Both messages are in one batch.
  std::unique_ptr<test::RunningDrain> drain_two() {
    publish("d/a", R"({"n": 1})");
    publish("d/a", R"({"n": 2})");
    EXPECT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
    auto running = drain(test::RunningDrain::fast(), mapping.c_str());
    running->start();
    EXPECT_TRUE(eventually([&] { return running->done() == 2; }));
    return running;
  }
};

TEST_F(LatestTablesTest, TheLastRowOfABatchGoesThereWithTheOthers) {
  const auto running = drain_two();
  EXPECT_THAT(numbers_in("readings"), ElementsAre("1", "2"));
  EXPECT_THAT(numbers_in("readings_latest"), ElementsAre("2"));
  EXPECT_EQ(running->counters.rows, 2U);  // the repeated ones are not counted
}

TEST_F(LatestTablesTest, ARowThatItsTableRefusesIsNotTheLast) {
  database.refuse = [](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    if (row.table == "readings" && row.values.back() == "2") return "two is refused";
    return std::nullopt;
  };
  const auto running = drain_two();
  EXPECT_THAT(numbers_in("readings"), ElementsAre("1"));
  EXPECT_THAT(numbers_in("readings_latest"), ElementsAre("1"));
  EXPECT_EQ(running->counters.dead_letter, 1U);
}

TEST_F(LatestTablesTest, WhatItRefusesItselfIsStoredAllTheSameAndWarnedOfOnce) {
  database.refuse = [](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    if (row.table == "readings_latest") return "no";
    return std::nullopt;
  };
  const auto running = drain_two();
  EXPECT_THAT(numbers_in("readings"), ElementsAre("1", "2"));
  EXPECT_THAT(numbers_in("readings_latest"), IsEmpty());
  EXPECT_EQ(running->counters.stored, 2U);
  EXPECT_EQ(running->counters.dead_letter, 0U);
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("readings_latest of last rows")));
}

TEST_F(LatestTablesTest, OneThatDoesNotFitKeepsNothingBack) {
  database.misfit = [](const schema::Table& table) -> std::optional<std::string> {
    if (table.name == "readings_latest") return "it is a view";
    return std::nullopt;
  };
  const auto running = drain_two();
  EXPECT_THAT(numbers_in("readings"), ElementsAre("1", "2"));
  EXPECT_EQ(running->counters.dead_letter, 0U);
  EXPECT_THAT(running->warnings(), ElementsAre(HasSubstr("it is a view")));
}

}  // namespace
}  // namespace rowgate::storage
