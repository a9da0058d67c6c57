// What an observer of the lane's commits hears.
#include "storage/drain/observer.hpp"

#include "schema/base/bytes.hpp"
#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class observer : public test::DrainTest {
 protected:
  DrainOptions observed() {
    auto options = test::RunningDrain::fast();
    options.observer.wants = [](std::string_view properties) { return properties == "tell me"; };
    options.observer.settled = [this](const Settled& what) {
      const std::lock_guard lock(mutex_);
      constexpr const char* words[] = {"stored", "dead letter", "unmapped"};
      std::string line =
          fmt::format("{} {}", what.message.payload, words[static_cast<std::size_t>(what.fate)]);
      if (!what.table.empty()) line.append(" in ").append(what.table);
      if (!what.reason.empty()) line.append(": ").append(what.reason);
      heard_.push_back(std::move(line));
    };
    options.observer.committed = [this](Lane, Position to) {
      EXPECT_GT(to.value, committed_.load());
      committed_ = to.value;
    };
    return options;
  }
  Position publish_with(const std::string& properties, const std::string& topic,
                        const std::string& payload, const std::string& client = "c") {
    PublishRecord record;
    record.client_id = client;
    record.topic = topic;
    record.payload = payload;
    record.properties = properties;
    record.received_at = {1767225600000000};
    record.lane = lane_of(client, journal->lanes());
    record.packet_id = 1;
    record.qos = 1;
    const auto appended = journal->append(record);
    EXPECT_TRUE(appended);
    return appended ? appended->end : Position{};
  }
  std::vector<std::string> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

  std::mutex mutex_;
  std::vector<std::string> heard_;
  std::atomic<std::uint64_t> committed_{0};
};

TEST_F(observer, hears_the_fate_of_each_message_it_wants_and_of_no_other) {
  publish_with("tell me", "d/a", R"({"n": 1})");
  publish_with("", "d/a", R"({"n": 2})");
  publish_with("not me", "d/a", R"({"n": 3})");
  publish_with("tell me", "d/a", R"({"n": "x"})");
  publish_with("tell me", "elsewhere", "?");
  const auto running = drain(observed());
  running->start();
  ASSERT_TRUE(eventually([&] { return running->done() == 5; }));
  running->stop();
  EXPECT_THAT(heard(),
              ElementsAre(R"({"n": 1} stored in readings)",
                          R"({"n": "x"} dead letter: column 'n': "x" from /n is not a number)",
                          "? unmapped"));
}

TEST_F(observer, hears_why_the_database_refused_a_row) {
  database.refuse = [](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    for (const std::string& value : row.values)
      if (row.table == "readings" && value == "2") return "no 2";
    return std::nullopt;
  };
  for (int n = 1; n <= 3; ++n) publish_with("tell me", "d/a", fmt::format(R"({{"n": {}}})", n));
  const auto running = drain(observed());
  running->start();
  ASSERT_TRUE(eventually([&] { return running->done() == 3; }));
  running->stop();
  ASSERT_THAT(heard(), testing::SizeIs(3));
  EXPECT_EQ(heard()[0], R"({"n": 1} stored in readings)");
  EXPECT_THAT(heard()[1],
              testing::AllOf(testing::HasSubstr("dead letter: "), testing::HasSubstr("no 2")));
  EXPECT_EQ(heard()[2], R"({"n": 3} stored in readings)");
}

TEST_F(observer,
       hears_of_each_message_once_whether_the_answer_to_a_commit_is_lost_before_or_after) {
  int commits = 0;
  database.commit_fate = [&] {
    ++commits;
    if (commits % 3 == 1) return test::CommitFate::lost_after;
    return commits % 3 == 2 ? test::CommitFate::lost_before : test::CommitFate::answered;
  };
  const auto running = drain(observed());
  running->start();
  std::vector<std::string> expected;
  for (int n = 0; n < 200; ++n) {
    publish_with("tell me", "d/a", fmt::format(R"({{"n": {}}})", n));
    expected.push_back(fmt::format(R"({{"n": {}}} stored in readings)", n));
  }
  ASSERT_TRUE(eventually([&] { return running->done() == 200; }));
  running->stop();
  EXPECT_EQ(heard(), expected);
}

TEST_F(observer, hears_nothing_while_the_database_is_away) {
  std::atomic<bool> down{true};
  database.fail = [&](std::string_view) -> std::optional<SinkError> {
    if (!down) return std::nullopt;
    return SinkError{CommitOutcome::retry, "away"};
  };
  const Position end = publish_with("tell me", "d/a", R"({"n": 1})");
  const auto running = drain(observed());
  running->start();
  ASSERT_TRUE(eventually([&] { return running->counters.retries > 5; }));
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_EQ(committed_, 0U);
  down = false;
  ASSERT_TRUE(eventually([&] { return committed_ >= end.value; }));
  EXPECT_THAT(heard(), testing::SizeIs(1));
}

TEST_F(observer, is_not_told_again_what_a_database_forgot) {
  database.set_flush_lag(1000);
  std::atomic<bool> down{false};
  database.fail = [&](std::string_view) -> std::optional<SinkError> {
    if (!down) return std::nullopt;
    return SinkError{CommitOutcome::retry, "restarts"};
  };
  const auto running = drain(observed());
  running->start();
  for (int n = 0; n < 100; ++n) {
    publish_with("tell me", "d/a", fmt::format(R"({{"n": {}}})", n));
    ASSERT_TRUE(eventually([&] { return running->done() == static_cast<std::uint64_t>(n) + 1; }));
  }
  down = true;
  publish_readings(100, 101);
  ASSERT_TRUE(eventually([&] { return running->counters.retries > 0; }));
  ASSERT_GT(database.forget(10), 0U);
  down = false;
  ASSERT_TRUE(eventually([&] { return stored().size() == 101; }));
  running->stop();
  EXPECT_THAT(heard(), testing::SizeIs(100));
}

TEST_F(observer, hears_that_a_lane_without_publishes_has_committed_them_all) {
  journal->stop();
  disk = test::MemoryDisk();
  open_journal(2);
  const auto running = drain(observed());  // lane 0
  running->start();
  ASSERT_TRUE(eventually([&] { return running->counters.connected.load(); }));
  const std::size_t commits = database.commits();
  // A release, as of a PUBREL, and a publish of the other lane.
  PublishRecord record;
  const std::string client = client_of(Lane{0});
  record.client_id = client;
  record.topic = "x";
  record.lane = Lane{1};
  record.qos = 2;
  record.packet_id = 5;
  ASSERT_TRUE(journal->append(record));
  const auto released = journal->release(client, 5);
  ASSERT_TRUE(released);
  ASSERT_TRUE(eventually([&] { return committed_ >= released->end.value; }));
  EXPECT_EQ(database.commits(), commits) << "for that the sink need not be asked";
}

TEST_F(observer, an_eager_lane_does_not_wait_for_a_batchs_age) {
  auto options = observed();
  options.eager = true;
  options.max_age = std::chrono::minutes(10);
  const auto running = drain(options);
  running->start();
  for (int n = 0; n < 20; ++n) {
    const Position end = publish_with("", "d/a", fmt::format(R"({{"n": {}}})", n));
    ASSERT_TRUE(eventually([&] { return committed_ >= end.value; }));
  }
  EXPECT_EQ(running->counters.stored, 20U);
}

}  // namespace
}  // namespace rowgate::storage
