#include <gtest/gtest.h>

#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::MemoryDisk;
using test::publish;
using test::RunningJournal;

constexpr auto now = std::chrono::milliseconds(0);

/// A journal far longer than what it keeps in memory; its segments are of 16 KiB.
class run_cache : public ::testing::Test {
 protected:
  static JournalOptions options() {
    JournalOptions options = test::small_options();
    options.window_bytes = 40U << 10;
    return options;
  }
  run_cache() {
    const std::string payload(1000, 'x');
    for (int i = 0; i < 200; ++i) journal_.commit(publish("a", payload));
  }
  std::shared_ptr<const Batch> read(Position from) { return journal_->read(from, {}, now); }

  const MemoryDisk disk_;
  RunningJournal journal_{disk_, options()};
};

TEST_F(run_cache, what_one_lane_read_from_a_segment_another_is_given) {
  const auto run = read(journal_->first());
  ASSERT_TRUE(run);
  ASSERT_LT(run->end(), journal_->durable()) << "it is to come from a segment";
  EXPECT_EQ(read(journal_->first()), run);

  // A lane that stopped in the middle of it, too.
  RecordCursor cursor(*run, run->first());
  RecordView record;
  ASSERT_TRUE(cursor.next(record));
  ASSERT_TRUE(cursor.next(record));
  ASSERT_GT(record.position, run->first());
  EXPECT_EQ(read(record.position), run);
  EXPECT_NE(read(run->end()), run);
}

TEST_F(run_cache, keeps_the_runs_read_last) {
  const std::weak_ptr<const Batch> first = read(journal_->first());
  ASSERT_FALSE(first.expired());
  Position at = first.lock()->end();
  for (int i = 0; i < 4; ++i) at = read(at)->end();
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(read(journal_->first())->first(), journal_->first()) << "it is read anew";
}

TEST_F(run_cache, lets_go_what_no_lane_reads_again) {
  const std::weak_ptr<const Batch> first = read(journal_->first());
  const std::weak_ptr<const Batch> second = read(first.lock()->end());
  const Position behind_first = first.lock()->end();
  journal_->trim({behind_first.value - 1});
  EXPECT_FALSE(first.expired());
  journal_->trim(behind_first);
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired());
}

}  // namespace
}  // namespace rowgate::storage
