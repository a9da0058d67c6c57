#include "storage/journal/journal.hpp"

#include <gmock/gmock.h>

#include <thread>

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

std::string repeated(char c, std::size_t n) {
  return std::string(n, c);
}

/// Commits messages of 1,000 bytes until the journal's `segments`-th segment is in use.
std::vector<std::string> fill_segments(RunningJournal& journal, std::size_t segments) {
  std::vector<std::string> written;
  const std::uint64_t until = journal->first().value + (segments - 1) * (16U << 10) + 5000;
  for (int i = 0; journal->durable().value < until; ++i) {
    const std::string payload = std::to_string(i) + repeated('x', 1000);
    journal.commit(publish("c", payload));
    written.push_back("c " + payload);
  }
  return written;
}

TEST(journal, gives_back_every_field_of_a_publish) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  PublishRecord in = publish("client", "payload", 2, 77);
  in.properties = "\x01\x01";
  in.retain = true;
  in.lane = Lane{0};
  const Position from = journal->durable();
  journal.commit(in);
  const auto batch = journal->read(from, {}, milliseconds(0));
  ASSERT_TRUE(batch);
  RecordCursor cursor(*batch, from);
  RecordView out;
  ASSERT_TRUE(cursor.next(out));
  EXPECT_EQ(out.type, RecordType::mark);
  ASSERT_TRUE(cursor.next(out));
  EXPECT_EQ(out.type, RecordType::publish);
  EXPECT_EQ(out.publish.client_id, "client");
  EXPECT_EQ(out.publish.topic, in.topic);
  EXPECT_EQ(out.publish.properties, in.properties);
  EXPECT_EQ(out.publish.payload, "payload");
  EXPECT_EQ(out.publish.packet_id, 77);
  EXPECT_EQ(out.publish.qos, 2);
  EXPECT_TRUE(out.publish.retain);
  EXPECT_EQ(out.publish.received_at, in.received_at);
  EXPECT_EQ(out.end, journal->durable());
  EXPECT_FALSE(cursor.next(out));
}

TEST(journal, keeps_messages_over_a_restart) {
  const MemoryDisk disk;
  std::string id;
  {
    RunningJournal journal(disk);
    id = journal->id();
    journal.commit(publish("a", "1"));
    journal.commit(publish("b", "2"));
  }
  RunningJournal journal(disk);
  EXPECT_EQ(journal->id(), id);
  EXPECT_EQ(journal->recovered(), journal->durable());
  EXPECT_THAT(read_all(*journal), ElementsAre("a 1", "b 2"));
  journal.commit(publish("c", "3"));
  EXPECT_THAT(read_all(*journal), ElementsAre("a 1", "b 2", "c 3"));
}

TEST(journal, commits_what_was_appended_before_stop) {
  const MemoryDisk disk;
  {
    RunningJournal journal(disk);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(journal->append(publish("a", std::to_string(i))));
    journal->stop();
    EXPECT_EQ(journal->durable(), journal->appended());
    EXPECT_EQ(journal->append(publish("a", "late")).error(), AppendError::stopped);
  }
  RunningJournal journal(disk);
  EXPECT_EQ(read_all(*journal).size(), 10U);
}

TEST(journal, spans_segments_and_reads_them_in_order) {
  const MemoryDisk disk;
  std::vector<std::string> written;
  {
    RunningJournal journal(disk);
    written = fill_segments(journal, 4);
    EXPECT_EQ(read_all(*journal), written);
  }
  EXPECT_GE(disk.files().size(), 4U);
  RunningJournal journal(disk);
  EXPECT_EQ(read_all(*journal), written);
}

TEST(journal, holds_the_directory_locked) {
  const MemoryDisk disk;
  const RunningJournal journal(disk);
  try {
    Journal::open(disk.directory(), small_options());
    FAIL() << "opened twice";
  } catch (const JournalError& e) {
    EXPECT_THAT(e.what(), HasSubstr("Another gateway uses this journal"));
  }
}

TEST(journal, appends_an_open_qos_2_packet_id_once) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const Appended first = journal.commit(publish("a", "1", 2, 7));
  EXPECT_FALSE(first.duplicate);
  const Appended again = journal.commit(publish("a", "1", 2, 7));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.end, first.end);
  EXPECT_FALSE(journal.commit(publish("b", "2", 2, 7)).duplicate);
  EXPECT_FALSE(journal.commit(publish("a", "3", 2, 8)).duplicate);
  EXPECT_FALSE(journal.commit(publish("a", "4", 1, 7)).duplicate) << "QoS 1 has ids of its own";
  EXPECT_THAT(read_all(*journal), ElementsAre("a 1", "b 2", "a 3", "a 4"));
}

TEST(journal, a_release_frees_the_packet_id) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  journal.commit(publish("a", "1", 2, 7));
  EXPECT_TRUE(journal->has_open("a"));
  EXPECT_FALSE(journal->release("a", 7)->duplicate);
  EXPECT_FALSE(journal->has_open("a"));
  EXPECT_TRUE(journal->release("a", 7)->duplicate);
  EXPECT_TRUE(journal->release("nobody", 1)->duplicate);
  EXPECT_FALSE(journal.commit(publish("a", "2", 2, 7)).duplicate);
}

TEST(journal, forget_frees_all_packet_ids_of_a_client) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  journal.commit(publish("a", "1", 2, 1));
  journal.commit(publish("a", "2", 2, 2));
  journal.commit(publish("b", "3", 2, 1));
  EXPECT_FALSE(journal->forget("a")->duplicate);
  EXPECT_TRUE(journal->forget("a")->duplicate) << "nothing left to forget";
  EXPECT_FALSE(journal->has_open("a"));
  EXPECT_TRUE(journal->has_open("b"));
}

TEST(journal, open_packet_ids_survive_a_restart_and_trimming) {
  const MemoryDisk disk;
  {
    RunningJournal journal(disk);
    journal.commit(publish("a", "1", 2, 1));
    journal.commit(publish("a", "2", 2, 2));
    journal.commit(publish("b", "3", 2, 9));
    journal.commit(publish("z", "4", 2, 3));
    ASSERT_TRUE(journal->release("a", 1));
    ASSERT_TRUE(journal->forget("z"));
    fill_segments(journal, 4);
    journal->trim(journal->durable());
    EXPECT_GT(journal->first().value, 16U << 10) << "the segment with the publishes is gone";
  }
  RunningJournal journal(disk);
  EXPECT_FALSE(journal.commit(publish("a", "1", 2, 1)).duplicate);
  EXPECT_TRUE(journal.commit(publish("a", "2", 2, 2)).duplicate);
  EXPECT_TRUE(journal.commit(publish("b", "3", 2, 9)).duplicate);
  EXPECT_FALSE(journal->has_open("z"));
}

TEST(journal, trims_whole_segments_below_what_is_flushed_and_never_the_active_one) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  // More than the spares that are kept and the one that may be made meanwhile.
  const auto written = fill_segments(journal, 8);
  const Position first = journal->first();
  journal->trim({(16U << 10) - 3000});
  EXPECT_EQ(journal->first(), first) << "the first segment is not wholly below";
  const auto before = journal->disk_bytes();
  journal->trim(journal->durable());
  EXPECT_GT(journal->first(), first);
  EXPECT_LT(journal->first(), journal->durable());
  EXPECT_LT(journal->disk_bytes(), before);
  const auto left = read_all(*journal);
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(left,
            std::vector(written.end() - static_cast<std::ptrdiff_t>(left.size()), written.end()));
  EXPECT_THROW(journal->read(first, {}, milliseconds(0)), JournalCorrupt);
}

TEST(journal, uses_trimmed_segments_again_without_reading_their_old_records) {
  const MemoryDisk disk;
  std::vector<std::string> written;
  {
    RunningJournal journal(disk);
    for (int round = 0; round < 6; ++round) {
      journal->trim(journal->durable());
      written = fill_segments(journal, 3);
    }
    EXPECT_LT(disk.files().size(), 8U);
    journal->stop();
    // The last file was recycled: old records lie behind the new ones.
    const auto names = disk.files();
    EXPECT_NE(names.rbegin()->first, "00000000000000000000.seg");
  }
  RunningJournal journal(disk);
  const auto read = read_all(*journal);
  ASSERT_GT(read.size(), written.size());
  EXPECT_EQ(std::vector(read.end() - static_cast<std::ptrdiff_t>(written.size()), read.end()),
            written);
}

TEST(journal, serves_lanes_from_memory_while_they_keep_up) {
  MemoryDisk disk;
  auto options = small_options();
  options.window_bytes = 1U << 20;
  RunningJournal journal(disk, options);
  const Position from = journal->durable();
  journal.commit(publish("a", "1"));
  disk.set_content("00000000000000000000.seg", "gone");
  EXPECT_THAT(read_all(*journal, from), ElementsAre("a 1"));
}

TEST(journal, read_verifies_what_comes_from_disk) {
  MemoryDisk disk;
  RunningJournal journal(disk);
  const Position from = journal->durable();
  journal.commit(publish("a", "the first message"));
  journal.commit(publish("a", "the second"));
  std::string bytes = disk.content("00000000000000000000.seg");
  bytes[bytes.find("the first message")] ^= 1;
  disk.set_content("00000000000000000000.seg", bytes);
  try {
    read_all(*journal, from);
    FAIL() << "damage went unseen";
  } catch (const JournalCorrupt& e) {
    EXPECT_THAT(e.what(), HasSubstr("00000000000000000000.seg"));
    EXPECT_THAT(e.what(), HasSubstr("position"));
  }
}

TEST(journal, read_waits_for_the_next_commit) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  const Position from = journal->durable();
  std::shared_ptr<const Batch> batch;
  std::thread lane([&] { batch = journal->read(from, {}, std::chrono::hours(1)); });
  journal.commit(publish("a", "1"));
  lane.join();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->first(), from);
}

TEST(journal, read_ends_when_asked_out_of_time_or_at_the_journals_end) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  EXPECT_FALSE(journal->read(journal->durable(), {}, milliseconds(1)));
  std::stop_source stop;
  std::thread lane([&] {
    EXPECT_FALSE(journal->read(journal->durable(), stop.get_token(), milliseconds::max()));
  });
  stop.request_stop();
  lane.join();
  std::thread other(
      [&] { EXPECT_FALSE(journal->read(journal->durable(), {}, milliseconds::max())); });
  journal->stop();
  other.join();
}

TEST(journal, answers_full_at_its_limit_and_goes_on_after_a_trim) {
  const MemoryDisk disk;
  auto options = small_options();
  options.max_bytes = 64U << 10;
  RunningJournal journal(disk, options);
  const std::string payload = repeated('p', 900);
  AppendError error{};
  for (int i = 0; i < 1000; ++i) {
    const auto done = journal->append(publish("a", payload));
    if (done) {
      journal.wait_durable(done->end);
    } else if ((error = done.error()) == AppendError::full) {
      break;
    }
  }
  EXPECT_EQ(error, AppendError::full);
  EXPECT_LE(journal->disk_bytes(), options.max_bytes);
  EXPECT_GT(journal->durable().value, options.max_bytes * 3 / 4);
  journal->trim(journal->durable());
  journal.commit(publish("a", "after"));
}

TEST(journal, refuses_qos_0_first) {
  const MemoryDisk disk;
  auto options = small_options();
  options.max_bytes = 64U << 10;
  RunningJournal journal(disk, options);
  const std::string payload = repeated('p', 200);
  int best_effort = 0;
  for (; best_effort < 1000; ++best_effort) {
    const auto done = journal->append(publish("a", payload, 0));
    if (done) {
      journal.wait_durable(done->end);
    } else if (done.error() == AppendError::full) {
      break;
    }
  }
  ASSERT_LT(best_effort, 1000);
  EXPECT_GT(best_effort, 100);
  journal.commit(publish("a", payload, 1));
  journal.commit(publish("a", payload, 2));
}

TEST(journal, answers_busy_when_the_open_batch_is_full) {
  const MemoryDisk disk;
  const auto journal = Journal::open(disk.directory(), small_options());  // nobody commits
  const std::string payload = repeated('p', 500);
  int appended = 0;
  Result<Appended, AppendError> done = AppendError::stopped;
  while ((done = journal->append(publish("a", payload)))) ++appended;
  EXPECT_EQ(done.error(), AppendError::busy);
  EXPECT_EQ(appended, 7) << "4 KiB of records of 562 bytes";
}

TEST(journal, answers_too_large_for_what_can_never_fit) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  EXPECT_EQ(journal->append(publish("a", repeated('p', 4096))).error(), AppendError::too_large);
  EXPECT_EQ(journal->append(publish(repeated('c', 70000), "")).error(), AppendError::too_large);
  journal.commit(publish("a", repeated('p', 4000)));
}

TEST(journal, takes_a_large_record_when_the_active_segment_has_no_room_for_it) {
  const MemoryDisk disk;
  RunningJournal journal(disk);
  std::vector<std::string> written;
  for (int i = 0; i < 20; ++i) {
    const std::string payload = repeated('p', i % 2 == 0 ? 3900 : 1);
    journal.commit(publish("a", payload));
    written.push_back("a " + payload);
  }
  EXPECT_EQ(read_all(*journal), written);
}

TEST(journal, keeps_its_number_of_lanes_until_it_is_drained) {
  const MemoryDisk disk;
  auto options = small_options();
  options.lanes = 4;
  { RunningJournal journal(disk, options); }
  options.lanes = 2;
  Position end;
  {
    RunningJournal journal(disk, options);
    EXPECT_EQ(journal->lanes(), 2) << "nothing was in it";
    end = journal.commit(publish("a", "1")).end;
  }
  options.lanes = 3;
  {
    RunningJournal journal(disk, options);
    EXPECT_EQ(journal->lanes(), 2);
    EXPECT_THAT(read_all(*journal), ElementsAre("a 1"));
    journal.commit(publish("b", "2", 2, 5));
    journal->trim(journal->durable());
    end = journal->durable();
  }
  RunningJournal journal(disk, options);
  EXPECT_EQ(journal->lanes(), 3) << "all was drained when it was closed";
  EXPECT_EQ(journal->first(), end) << "where the checkpoints stand";
  EXPECT_TRUE(journal->has_open("b")) << "a packet id outlives the change";
}

TEST(journal, counts_what_was_recovered_by_lane) {
  const MemoryDisk disk;
  auto options = small_options();
  options.lanes = 2;
  Position middle;
  {
    RunningJournal journal(disk, options);
    const std::string payload = repeated('p', 400);
    for (int i = 0; i < 100; ++i) {
      auto record = publish("a", payload);
      record.lane = Lane{static_cast<std::uint16_t>(i % 4 == 0 ? 1 : 0)};
      const auto done = journal.commit(record);
      if (i == 49) middle = done.end;
    }
  }
  RunningJournal journal(disk, options);
  journal.commit(publish("new", "not counted"));
  EXPECT_EQ(journal->count(Lane{0}, journal->first()), 75U);
  EXPECT_EQ(journal->count(Lane{1}, journal->first()), 25U);
  EXPECT_EQ(journal->count(Lane{0}, middle), 38U);
  EXPECT_EQ(journal->count(Lane{1}, middle), 12U);
  EXPECT_EQ(journal->count(Lane{0}, journal->recovered()), 0U);
}

TEST(journal, counts_what_was_recovered_however_much_came_since) {
  const MemoryDisk disk;
  Position second;
  {
    RunningJournal journal(disk);
    second = journal.commit(publish("a", "1")).end;
    journal.commit(publish("a", "2"));
  }
  RunningJournal journal(disk);
  const std::string payload = repeated('p', 400);
  for (int i = 0; i < 200; ++i) journal.commit(publish("new", payload));  // several segments
  EXPECT_EQ(journal->count(Lane{0}, journal->first()), 2U);
  EXPECT_EQ(journal->count(Lane{0}, second), 1U);
}

TEST(journal, a_cursor_steps_over_other_lanes) {
  const MemoryDisk disk;
  auto options = small_options();
  options.lanes = 3;
  const auto journal = Journal::open(disk.directory(), options);
  const Position from = journal->appended();
  for (int i = 0; i < 9; ++i) {
    const std::string payload = std::to_string(i);
    auto record = publish("a", payload);
    record.lane = Lane{static_cast<std::uint16_t>(i % 3)};
    ASSERT_TRUE(journal->append(record));
  }
  journal->start([](Position) {}, [](const std::string&) {});
  journal->stop();
  const auto batch = journal->read(from, {}, milliseconds(0));
  RecordCursor cursor(*batch, from);
  RecordView record;
  std::string seen;
  while (cursor.next_publish(Lane{1}, record)) seen += record.publish.payload;
  EXPECT_EQ(seen, "147");
}

}  // namespace
}  // namespace rowgate::storage
