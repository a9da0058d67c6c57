// The last of a full journal is for control records: what was begun goes on, what is new waits.
#include <gtest/gtest.h>

#include <utility>

#include "storage/journal/append_buffer.hpp"
#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::MemoryDisk;
using test::publish;
using test::read_all;
using test::RunningJournal;
using test::small_options;

/// Calls until it answers `full`, waiting out `busy` and for each commit. How often it did well.
template <class Append>
int until_full(RunningJournal& journal, Append append) {
  for (int taken = 0; taken < 10'000;) {
    const Result<Appended, AppendError> done = append();
    journal.wait_durable(journal->appended());
    if (done) {
      ++taken;
    } else if (done.error() == AppendError::full) {
      return taken;
    } else {
      EXPECT_EQ(done.error(), AppendError::busy);
    }
  }
  ADD_FAILURE() << "never full";
  return 0;
}

class JournalReserve : public ::testing::Test {
 protected:
  /// Publishes until nothing more is taken at QoS 1 and 2, however small.
  void publish_until_full(RunningJournal& journal) {
    for (const std::size_t size : {900U, 100U, 0U}) {
      const std::string payload(size, 'p');
      taken_ += until_full(journal, [&] { return journal->append(publish("a", payload)); });
    }
  }
  int events_until_full(RunningJournal& journal, std::size_t size) {
    const std::string event(size, 'e');
    return until_full(journal, [&] { return journal->append_event(event); });
  }
  /// An event committed alone comes with a mark.
  static std::uint64_t on_disk(std::size_t event) {
    return format::event_size(std::string(event, 'e')) + format::mark_size;
  }

  const MemoryDisk disk_;
  JournalOptions options_ = small_options();
  int taken_ = 0;
};

TEST_F(JournalReserve, publishes_leave_it_to_releases_forgets_and_events) {
  RunningJournal journal(disk_, options_);
  for (std::uint16_t id = 1; id <= 3; ++id) journal.commit(publish("begun", "x", 2, id));
  journal.commit(publish("leaves", "x", 2, 1));
  publish_until_full(journal);
  EXPECT_EQ(journal->append(publish("a", "", 2, 7)).error(), AppendError::full);
  EXPECT_EQ(journal->append(publish("a", "", 1)).error(), AppendError::full);
  EXPECT_EQ(journal->append(publish("a", "", 0)).error(), AppendError::full);

  const auto again = journal->append(publish("begun", "x", 2, 1));
  ASSERT_TRUE(again) << "it is in the journal already";
  EXPECT_TRUE(again->duplicate);
  for (std::uint16_t id = 1; id <= 3; ++id) {
    const auto released = journal->release("begun", id);
    ASSERT_TRUE(released) << id;
    EXPECT_FALSE(released->duplicate);
    ASSERT_TRUE(journal.wait_durable(released->end));
  }
  const auto forgotten = journal->forget("leaves");
  ASSERT_TRUE(forgotten);
  ASSERT_TRUE(journal.wait_durable(forgotten->end));
  const auto events = static_cast<std::uint64_t>(events_until_full(journal, 60));
  EXPECT_GT(events * on_disk(60), options_.max_bytes / 64 * 7 / 8);
  EXPECT_LT(events * on_disk(60), options_.max_bytes / 64 * 9 / 8);
  EXPECT_LE(journal->disk_bytes(), options_.max_bytes);
}

TEST_F(JournalReserve, is_there_as_well_where_it_is_larger_than_a_segment) {
  options_.max_bytes = 192 * options_.segment_bytes;  // three segments of reserve
  RunningJournal journal(disk_, options_);
  publish_until_full(journal);
  const auto events = static_cast<std::uint64_t>(events_until_full(journal, 1000));
  EXPECT_GT(events * on_disk(1000), options_.max_bytes / 64 * 7 / 8);
  EXPECT_LT(events * on_disk(1000), options_.max_bytes / 64 * 9 / 8);
  EXPECT_LE(journal->disk_bytes(), options_.max_bytes);
}

TEST_F(JournalReserve, what_was_refused_is_taken_once_there_is_room) {
  RunningJournal journal(disk_, options_);
  publish_until_full(journal);
  for (int round = 0; round < 3; ++round) {
    events_until_full(journal, 60);
    journal->trim(journal->durable());
    EXPECT_GT(
        until_full(journal, [&] { return journal->append(publish("a", std::string(100, 'p'))); }),
        1000)
        << "round " << round;
  }
}

TEST_F(JournalReserve, a_journal_full_to_its_last_byte_opens_and_goes_on_after_a_trim) {
  std::vector<std::string> before;
  {
    RunningJournal journal(disk_, options_);  // as a gateway without a reserve leaves one
    publish_until_full(journal);
    for (const std::size_t size : {1000U, 10U, 0U}) events_until_full(journal, size);
    before = read_all(*journal);
  }
  EXPECT_EQ(before.size(), static_cast<std::size_t>(taken_));
  RunningJournal journal(disk_, options_);
  EXPECT_EQ(journal->append(publish("a", "")).error(), AppendError::full);
  EXPECT_EQ(journal->append_event("").error(), AppendError::full);
  EXPECT_EQ(read_all(*journal), before);
  journal->trim(journal->durable());
  journal.commit(publish("a", "after"));
  EXPECT_EQ(read_all(*journal).back(), "a after");
}

/// How much of max_bytes must be left at least for a small publish at QoS 1 to be taken.
std::uint64_t reserve_of(std::uint64_t max_bytes, std::uint64_t segment_bytes) {
  const auto is_taken = [&](std::uint64_t left) {
    AppendBuffer::Start start;
    start.end = {max_bytes - left};
    start.segment_base = {start.end.value - start.end.value % segment_bytes};
    start.disk_used = start.segment_base.value + segment_bytes;
    AppendBuffer buffer({max_bytes, segment_bytes, 4096, 1}, std::move(start));
    return buffer.append(publish("a", "x")).has_value();
  };
  std::uint64_t refused = 0, taken = max_bytes / 2;
  while (taken - refused > 1000) {
    const std::uint64_t middle = (refused + taken) / 2;
    (is_taken(middle) ? taken : refused) = middle;
  }
  return taken;
}

TEST_F(JournalReserve, is_a_64th_and_at_most_256_mib) {
  constexpr std::uint64_t mib = 1U << 20, segment = 64 * mib;
  for (const auto& [max_bytes, reserve] : {std::pair{4096 * mib, 64 * mib},
                                           {8192 * mib, 128 * mib},
                                           {16384 * mib, 256 * mib},
                                           {1024 * 1024 * mib, 256 * mib}}) {
    EXPECT_GE(reserve_of(max_bytes, segment), reserve);
    EXPECT_LE(reserve_of(max_bytes, segment), reserve + segment / 16 + 4096)
        << "a segment's last 1/16 may stay empty";
  }
}

}  // namespace
}  // namespace rowgate::storage
