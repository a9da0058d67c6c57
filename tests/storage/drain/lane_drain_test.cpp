#include "storage/drain/lane_drain.hpp"

#include <algorithm>

#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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
