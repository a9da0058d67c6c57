#include "gateway/topics/sampler.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/fail_at.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::topics {
namespace {

using std::chrono::microseconds;

/// A clock that goes on a little each time it is looked at.
class TickingClock final : public os::Clock {
 public:
  Timestamp now() noexcept override { return {1'767'225'600'000'000}; }
  std::chrono::steady_clock::time_point ticks() noexcept override {
    return std::chrono::steady_clock::time_point(microseconds(++ticks_));
  }

 private:
  std::int64_t ticks_ = 0;
};

class sampler : public testing::Test {
 protected:
  sampler() {
    storage::JournalOptions options;
    options.segment_bytes = 1U << 20;
    options.batch_bytes = 1U << 20;
    options.lanes = 2;
    journal = storage::Journal::open(disk.directory(), options);
  }
  ~sampler() override { journal->stop(); }

  void start() {
    journal->start([](storage::Position) {}, [](const std::string&) {});
  }
  void publish(const std::string& topic, int times) {
    for (int i = 0; i < times; ++i) {
      storage::PublishRecord record;
      record.client_id = "device";
      record.topic = topic;
      record.payload = "1";
      record.received_at = {1'767'225'600'000'000};
      record.lane = storage::Lane{static_cast<std::uint16_t>(i % 2)};
      record.qos = 1;
      record.packet_id = 1;
      ASSERT_TRUE(journal->append(record));
    }
  }
  void settle() {
    while (journal->durable() < journal->appended()) std::this_thread::yield();
  }
  std::uint64_t count(const std::string& topic) {
    const auto found = recent.find(topic, clock.now());
    return found ? found->count : 0;
  }

  test::MemoryDisk disk;
  std::unique_ptr<storage::Journal> journal;
  TickingClock clock;
  RecentMessages recent;
};

TEST_F(sampler, sees_what_is_durable_whatever_its_lane) {
  Sampler reads(*journal, recent, clock);
  publish("a", 10);
  reads.round(microseconds(1'000'000));
  EXPECT_EQ(count("a"), 0U) << "not durable yet";
  start();
  settle();
  reads.round(microseconds(1'000'000));
  EXPECT_EQ(count("a"), 10U);
  reads.round(microseconds(1'000'000));
  EXPECT_EQ(count("a"), 10U) << "each once";
  EXPECT_EQ(reads.coverage(), 1);
}

TEST_F(sampler, what_there_is_no_time_for_is_passed_over_and_counted_by_what_was_read) {
  start();
  publish("a", 1);
  settle();
  Sampler reads(*journal, recent, clock);
  publish("a", 4'000);
  settle();
  reads.round(microseconds(8));  // a look at the clock each 64 messages
  const std::uint64_t read = count("a");
  EXPECT_LT(read, 2'000U);
  EXPECT_LT(reads.coverage(), 1);
  publish("a", 64);
  settle();
  reads.round(microseconds(1'000'000));
  EXPECT_GT(count("a") - read, 64U) << "they stand for others";
}

TEST_F(sampler, thread_reads_along) {
  start();
  Sampler reads(*journal, recent, clock);
  reads.start();
  publish("a", 3);
  for (int i = 0; i < 2'000 && count("a") < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(count("a"), 3U);
  reads.stop();
}

TEST_F(sampler, goes_on_when_a_segment_is_trimmed_right_before_it_is_opened) {
  start();
  publish("a", 10);
  settle();
  journal->stop();
  journal.reset();
  test::FailPlan plan;
  plan.code = ENOENT;
  {
    // Read from the segment's file: what is recovered is not in memory.
    const auto recovered = storage::Journal::open(test::fail_at(disk.directory(), plan), {});
    Sampler reads(*recovered, recent, clock);
    plan.fail_at = plan.done;
    reads.round(microseconds(1'000'000));
    EXPECT_TRUE(plan.failed) << "nothing was opened";
    EXPECT_EQ(count("a"), 0U);
    reads.round(microseconds(1'000'000));
    EXPECT_EQ(count("a"), 10U);
  }
  journal = storage::Journal::open(disk.directory(), {});
}

}  // namespace
}  // namespace rowgate::topics
