// Events in the journal: their place among the other records, restarts, limits, and journals that
// were begun before there were any.
#include <gmock/gmock.h>

#include "storage/journal/format.hpp"
#include "storage/journal/inspect.hpp"
#include "storage/journal/recovery.hpp"
#include "storage/journal/segment_scan.hpp"
#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;
using test::MemoryDisk;
using test::publish;
using test::read_all;
using test::RunningJournal;
using test::small_options;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void commit_event(RunningJournal& journal, std::string_view event) {
  const auto done = journal->append_event(event);
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->duplicate);
  ASSERT_TRUE(journal.wait_durable(done->end));
}

/// What a reader of events gets: "event X", "payload Y".
std::vector<std::string> special(Journal& journal, bool all_publishes) {
  std::vector<std::string> seen;
  for (Position from = journal.first(); from < journal.durable();) {
    const auto batch = journal.read(from, {}, milliseconds(0));
    RecordCursor cursor(*batch, from);
    RecordView record;
    while (cursor.next_special(all_publishes, record)) {
      seen.push_back(record.type == RecordType::event
                         ? "event " + std::string(record.event)
                         : "payload " + std::string(record.publish.payload));
      EXPECT_GT(record.end, record.position);
    }
    from = batch->end();
  }
  return seen;
}

TEST(journal_events, keep_their_place_over_a_restart) {
  const MemoryDisk disk;
  const std::string bytes("\0\xff any", 6);
  {
    RunningJournal journal(disk);
    journal.commit(publish("c", "before"));
    commit_event(journal, bytes);
    commit_event(journal, "");
    journal.commit(publish("c", "after"));
  }
  RunningJournal journal(disk);
  EXPECT_THAT(special(*journal, true),
              ElementsAre("payload before", "event " + bytes, "event ", "payload after"));
  EXPECT_THAT(read_all(*journal), ElementsAre("c before", "c after"));
}

TEST(journal_events, a_reader_of_events_gets_retained_publishes_and_nothing_else) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  PublishRecord retained = publish("c", "kept", 2, 5);
  retained.retain = true;
  journal.commit(publish("c", "one"));
  journal.commit(retained);
  ASSERT_TRUE(journal->release("c", 5));
  commit_event(journal, "e1");
  journal.commit(publish("c", "two", 2, 9));
  const auto forgotten = journal->forget("c");
  ASSERT_TRUE(forgotten);
  ASSERT_TRUE(journal.wait_durable(forgotten->end));
  EXPECT_THAT(special(*journal, false), ElementsAre("payload kept", "event e1"));
  EXPECT_THAT(special(*journal, true),
              ElementsAre("payload one", "payload kept", "event e1", "payload two"));
}

TEST(journal_events, a_batch_known_to_hold_neither_is_passed_over) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const auto last_is_plain = [&] {
    const auto batch = journal->read({journal->durable().value - 1}, {}, milliseconds(0));
    return batch->plain();
  };
  PublishRecord retained = publish("c", "kept");
  retained.retain = true;
  journal.commit(publish("c", "one"));
  EXPECT_TRUE(last_is_plain());
  journal.commit(retained);
  EXPECT_FALSE(last_is_plain());
  journal.commit(publish("c", "two"));
  EXPECT_TRUE(last_is_plain()) << "what the batch before it held is forgotten";
  commit_event(journal, "e1");
  EXPECT_FALSE(last_is_plain());
  journal.commit(publish("c", "three"));
  EXPECT_THAT(special(*journal, false), ElementsAre("payload kept", "event e1"));
  EXPECT_THAT(special(*journal, true), ElementsAre("payload one", "payload kept", "payload two",
                                                   "event e1", "payload three"));
}

TEST(journal_events, are_no_publishes_to_a_lane) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const Position from = journal->durable();
  ASSERT_TRUE(journal->append_event("event"));
  const auto done = journal->append(publish("c", "message"));
  ASSERT_TRUE(done);
  ASSERT_TRUE(journal.wait_durable(done->end));
  std::vector<std::string> seen;
  for (Position at = from; at < journal->durable();) {
    const auto batch = journal->read(at, {}, milliseconds(0));
    RecordCursor cursor(*batch, at);
    RecordView record;
    while (cursor.next_publish(Lane{0}, record)) {
      seen.emplace_back(record.publish.payload);
      EXPECT_THAT(record.event, IsEmpty());
    }
    at = batch->end();
  }
  EXPECT_THAT(seen, ElementsAre("message"));
}

TEST(journal_events, are_taken_when_qos_0_is_refused_already) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const std::string large(1000, 'x');
  for (;;) {
    const auto done = journal->append(publish("c", large, 0));
    if (!done && done.error() == AppendError::full) break;
    if (!done) journal.wait_durable(journal->appended());
  }
  journal.wait_durable(journal->appended());
  commit_event(journal, large);
}

TEST(journal_events, answer_as_publishes_do_at_the_limits) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const std::size_t room = small_options().batch_bytes - format::header_size;
  EXPECT_EQ(journal->append_event(std::string(room + 1, 'x')).error(), AppendError::too_large);
  commit_event(journal, std::string(room, 'x'));
  for (;;) {
    const auto done = journal->append_event(std::string(1000, 'x'));
    if (done) continue;
    if (done.error() == AppendError::full) break;
    ASSERT_EQ(done.error(), AppendError::busy);
    journal.wait_durable(journal->appended());
  }
  journal->trim(journal->durable());
  commit_event(journal, "again");
  journal->stop();
  EXPECT_EQ(journal->append_event("late").error(), AppendError::stopped);
}

TEST(journal_events, are_counted_and_shown_from_outside) {
  const MemoryDisk disk;
  {
    RunningJournal journal(disk);
    commit_event(journal, std::string(70, 'e'));
  }
  std::string shown;
  const auto seen = inspect_journal(*disk.directory(), {}, [&](const InspectedRecord& record) {
    if (record.record.type == RecordType::event) shown += describe(record);
    return true;
  });
  EXPECT_EQ(seen.state, JournalState::sound);
  EXPECT_EQ(seen.records[static_cast<std::size_t>(RecordType::event)], 1U);
  EXPECT_THAT(shown, HasSubstr("event    70 bytes \"" + std::string(64, 'e') + "\"..."));
}

/// Makes a segment of version 1 of the only segment of a journal; nothing else differs.
void make_version_1(MemoryDisk& disk) {
  const std::string file = segment_name({});
  std::string bytes = disk.content(file);
  format::SegmentBody body;
  ASSERT_TRUE(format::read_segment(bytes, {}, body));
  body.version = 1;
  format::write_segment(body, {}, bytes.data());
  disk.set_content(file, bytes);
}

TEST(journal_events, a_journal_of_version_1_goes_on_in_a_new_segment) {
  MemoryDisk disk;
  {
    RunningJournal journal(disk);
    journal.commit(publish("c", "old", 2, 3));
  }
  make_version_1(disk);
  std::uint64_t old_end = 0;
  {
    RunningJournal journal(disk);
    old_end = journal->durable().value;
    EXPECT_TRUE(journal->is_open("c", 3));
    commit_event(journal, "new");
    journal.commit(publish("c", "more"));
  }
  const Recovered found = recover(*disk.directory());
  EXPECT_EQ(found.state, JournalState::sound);
  ASSERT_EQ(found.segments.size(), 2U);
  EXPECT_EQ(found.segments[1].base.value, old_end);
  EXPECT_EQ(found.version, 2);
  RunningJournal journal(disk);
  EXPECT_THAT(special(*journal, true), ElementsAre("payload old", "event new", "payload more"));
  EXPECT_TRUE(journal->is_open("c", 3));
  journal.commit(publish("c", "last"));
  EXPECT_EQ(recover(*disk.directory()).segments.size(), 2U) << "version 2 is written on";
}

TEST(journal_events, a_drained_journal_of_version_1_closes_as_version_2) {
  MemoryDisk disk;
  { const RunningJournal journal(disk); }
  make_version_1(disk);
  {
    RunningJournal journal(disk);
    journal->trim(journal->durable());
  }
  RunningJournal journal(disk);
  commit_event(journal, "new");
  EXPECT_THAT(special(*journal, true), ElementsAre("event new"));
  EXPECT_EQ(recover(*disk.directory()).version, 2);
}

}  // namespace
}  // namespace rowgate::storage
