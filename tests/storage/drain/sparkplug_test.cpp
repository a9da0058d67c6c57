// Births of Sparkplug B in a lane: kept with the rows, and read by again, whatever the sink does.
#include <sparkplug_b.pb.h>

#include <atomic>

#include "storage/drain/kept_births.hpp"
#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Payload = org::eclipse::tahu::protobuf::Payload;

constexpr const char* plant_mapping = R"(
[[mapping]]
name = "plant"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "metrics"
payload = "sparkplug_b"
rows = "/metrics"
[mapping.columns]
name  = { from = "/name", type = "text", required = true }
value = { from = "/value", type = "bigint" }
[[mapping]]
name = "readings"
topic = "d/{device}"
table = "readings"
[mapping.columns]
n = { from = "/n", type = "bigint" }
)";

class sparkplug : public test::DrainTest {
 protected:
  std::unique_ptr<test::RunningDrain> plant(const char* mapping = plant_mapping) {
    auto options = test::RunningDrain::fast();
    options.observer.rebirth = [this](std::string_view node) {
      const std::lock_guard lock(mutex_);
      rebirths_.emplace_back(node);
    };
    return drain(options, mapping);
  }
  void run(std::uint64_t messages, const char* mapping = plant_mapping) {
    const auto running = plant(mapping);
    running->start();
    EXPECT_TRUE(eventually([&] { return running->done() == messages; }));
    EXPECT_EQ(running->stop(), DrainEnd::stopped) << running->error;
    gaps_ += running->counters.sequence_gaps;
  }
  void nbirth() {
    Payload payload;
    payload.set_seq(0);
    publish("spBv1.0/G/NBIRTH/E", payload.SerializeAsString());
  }
  /// Names `first` `alias`, and what follows it by what follows that.
  void dbirth(std::uint64_t seq, const std::string& names, std::uint64_t alias = 0) {
    Payload payload;
    payload.set_seq(seq);
    for (const char name : names) {
      auto* metric = payload.add_metrics();
      metric->set_name(std::string(1, name));
      metric->set_alias(alias++);
      metric->set_datatype(3);
      metric->set_int_value(0);
    }
    publish("spBv1.0/G/DBIRTH/E/D", payload.SerializeAsString());
  }
  void ddata(std::uint64_t seq, std::uint64_t alias, std::uint32_t value) {
    Payload payload;
    payload.set_seq(seq);
    auto* metric = payload.add_metrics();
    metric->set_alias(alias);
    metric->set_int_value(value);
    publish("spBv1.0/G/DDATA/E/D", payload.SerializeAsString());
  }
  /// "name value" of each row but those of births.
  std::vector<std::string> data() const {
    std::vector<std::string> lines;
    for (const auto& row : database.rows("metrics"))
      if (row.values[2] != "0") lines.push_back(row.values[1] + " " + row.values[2]);
    return lines;
  }
  std::vector<std::string> rebirths() {
    const std::lock_guard lock(mutex_);
    return rebirths_;
  }

  std::mutex mutex_;
  std::vector<std::string> rebirths_;
  std::uint64_t gaps_ = 0;
};

TEST_F(sparkplug, births_outlive_the_gateway) {
  nbirth();
  dbirth(1, "ab");
  ddata(2, 1, 11);
  run(3);
  EXPECT_THAT(database.rows("rowgate_sparkplug"), testing::SizeIs(2));
  ddata(3, 0, 12);
  ddata(4, 1, 13);
  run(2);
  EXPECT_THAT(data(), ElementsAre("b 11", "a 12", "b 13"));
  EXPECT_THAT(rebirths(), IsEmpty());
  EXPECT_EQ(gaps_, 0U);
}

TEST_F(sparkplug, births_of_another_gateway_are_not_read) {
  nbirth();
  dbirth(1, "ab");
  run(2);
  auto lane = database.lane();
  ASSERT_TRUE(lane->open({"another", journal->id(), Lane{7}}, {}));
  const auto found = read_births(*lane, "another", {});
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, IsEmpty());
}

TEST_F(sparkplug, a_batch_that_is_tried_again_is_read_as_the_first_time) {
  std::atomic<int> failures = 0;
  database.fail = [&](std::string_view operation) -> std::optional<SinkError> {
    if (operation != "commit" || failures == 0) return std::nullopt;
    --failures;
    return SinkError{CommitOutcome::retry, "busy"};
  };
  const auto running = plant();
  running->start();
  nbirth();
  dbirth(1, "ab");
  ASSERT_TRUE(eventually([&] { return running->done() == 2; }));
  failures = 5;
  ddata(2, 0, 1);
  dbirth(3, "xy");  // the aliases mean something else from here on
  ddata(4, 0, 2);
  ASSERT_TRUE(eventually([&] { return running->done() == 5; }));
  running->stop();
  EXPECT_THAT(data(), ElementsAre("a 1", "x 2"));
  EXPECT_THAT(rebirths(), IsEmpty());
  EXPECT_EQ(running->counters.sequence_gaps, 0U);
}

TEST_F(sparkplug, whatever_becomes_of_a_commit_names_stay_right) {
  int n = 0;
  database.commit_fate = [&] {
    ++n;
    return n % 3 == 0   ? test::CommitFate::lost_before
           : n % 3 == 1 ? test::CommitFate::lost_after
                        : test::CommitFate::answered;
  };
  nbirth();
  std::vector<std::string> expected;
  std::uint64_t seq = 1;
  for (int round = 0; round < 120; ++round) {
    dbirth(seq++ % 256, round % 2 == 0 ? "ab" : "ba");
    ddata(seq++ % 256, 0, static_cast<std::uint32_t>(round + 1));
    expected.push_back(fmt::format("{} {}", round % 2 == 0 ? "a" : "b", round + 1));
  }
  run(241);
  EXPECT_EQ(data(), expected);
  EXPECT_THAT(rebirths(), IsEmpty());
}

TEST_F(sparkplug, an_unknown_alias_is_a_dead_letter_and_a_request) {
  ddata(5, 3, 1);
  run(1);
  EXPECT_THAT(rebirths(), ElementsAre("G/E"));
  const auto letters = database.rows("rowgate_dead_letter");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_THAT(letters[0].values, Contains(HasSubstr("alias 3 has no name")));
  nbirth();
  dbirth(1, "ab", 3);
  ddata(2, 3, 2);
  run(3);
  EXPECT_THAT(data(), ElementsAre("a 2"));
  EXPECT_THAT(rebirths(), ElementsAre("G/E"));
}

TEST_F(sparkplug, a_gap_is_counted_and_asks_for_a_rebirth) {
  nbirth();
  dbirth(1, "a");
  ddata(2, 0, 1);
  ddata(4, 0, 2);
  run(4);
  EXPECT_THAT(data(), ElementsAre("a 1", "a 2"));
  EXPECT_THAT(rebirths(), ElementsAre("G/E"));
  EXPECT_EQ(gaps_, 1U);
}

TEST_F(sparkplug, nothing_is_kept_or_asked_for_without_such_a_mapping) {
  bool ensured = false;
  database.misfit = [&](const schema::Table& table) -> std::optional<std::string> {
    ensured = ensured || table.name == "rowgate_sparkplug";
    return std::nullopt;
  };
  nbirth();
  ddata(7, 0, 1);
  run(2, test::readings_mapping);
  EXPECT_FALSE(ensured);
  EXPECT_THAT(rebirths(), IsEmpty());
}

TEST_F(sparkplug, births_from_before_nobody_looked_are_not_used) {
  const auto running = plant();
  running->start();
  nbirth();
  dbirth(1, "ab");
  ASSERT_TRUE(eventually([&] { return running->done() == 2; }));
  running->set_catalog(test::catalog_of(test::readings_mapping));
  publish_readings(0, 1);
  ASSERT_TRUE(eventually([&] { return !database.rows("readings").empty(); }));
  nbirth();
  dbirth(1, "ba");  // unseen
  ASSERT_TRUE(eventually([&] { return running->done() == 5; }));
  running->set_catalog(test::catalog_of(plant_mapping));
  // The lane takes the mapping up when it has no messages: this may still go by the one before.
  ASSERT_TRUE(eventually([&] {
    ddata(2, 0, 1);
    return !rebirths().empty();
  }));
  running->stop();
  EXPECT_THAT(data(), IsEmpty()) << "alias 0 was a, and is b now";
}

}  // namespace
}  // namespace rowgate::storage
