#include "storage/journal/recovery.hpp"

#include <gmock/gmock.h>

#include <random>

#include "storage/journal/inspect.hpp"
#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::MemoryDisk;
using test::publish;
using test::read_all;
using test::RunningJournal;
using test::small_options;
using testing::HasSubstr;

const std::string first_file = "00000000000000000000.seg";

/// A journal on disk, and where each of its messages ends: every one a commit of its own.
struct Written {
  MemoryDisk disk;
  std::vector<std::string> messages;
  std::vector<Position> ends;
};

Written write(int count, std::size_t payload_size = 20) {
  Written out;
  RunningJournal journal(out.disk);
  for (int i = 0; i < count; ++i) {
    const std::string payload = std::to_string(i) + std::string(payload_size, 'x');
    out.ends.push_back(
        journal.commit(publish("c", payload, 2, static_cast<std::uint16_t>(i + 1))).end);
    out.messages.push_back("c " + payload);
  }
  return out;
}

std::vector<std::string> head(const std::vector<std::string>& all, std::size_t n) {
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)};
}

TEST(journal_recovery, keeps_all_whole_messages_at_every_length_of_the_last_file) {
  const Written written = write(6);
  const std::string whole = written.disk.content(first_file);
  // From the end of the third message to beyond the end of the last.
  for (std::uint64_t length = written.ends[2].value; length <= written.ends[5].value + 3;
       ++length) {
    const MemoryDisk disk = written.disk.clone();
    disk.directory();
    MemoryDisk cut = disk;
    cut.set_content(first_file, whole.substr(0, length));
    const auto kept =
        static_cast<std::size_t>(std::count_if(written.ends.begin(), written.ends.end(),
                                               [&](Position end) { return end.value <= length; }));
    RunningJournal journal(cut);
    ASSERT_EQ(read_all(*journal), head(written.messages, kept)) << "cut to " << length;
    journal.commit(publish("c", "next"));
    ASSERT_EQ(read_all(*journal).size(), kept + 1);
  }
}

TEST(journal_recovery, tells_a_damaged_commit_from_a_torn_one_at_every_byte) {
  const Written written = write(5);
  const std::string whole = written.disk.content(first_file);
  const std::uint64_t last_commit = written.ends[3].value;
  for (std::uint64_t at = 0; at < written.ends[4].value; ++at) {
    MemoryDisk disk = written.disk.clone();
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    disk.set_content(first_file, bytes);
    if (at >= last_commit) {
      RunningJournal journal(disk);
      ASSERT_EQ(read_all(*journal), head(written.messages, 4)) << "flipped " << at;
      continue;
    }
    try {
      Journal::open(disk.directory(), small_options());
      FAIL() << "damage at " << at << " went unseen";
    } catch (const JournalCorrupt& e) {
      ASSERT_THAT(e.what(), HasSubstr(first_file));
      ASSERT_THAT(e.what(), HasSubstr("Nothing was changed"));
    }
    ASSERT_EQ(disk.content(first_file), bytes) << "a refused journal is left as it is";
  }
}

TEST(journal_recovery, a_torn_commits_records_never_come_back) {
  MemoryDisk disk;
  Position torn;
  {
    const auto journal = Journal::open(disk.directory(), small_options());
    torn = journal->appended();
    ASSERT_TRUE(journal->append(publish("c", "aaaa")));
    ASSERT_TRUE(journal->append(publish("c", "bbbb")));
    journal->start([](Position) {}, [](const std::string&) {});
  }
  // Of that commit the mark is lost; both messages are there, valid.
  std::string bytes = disk.content(first_file);
  bytes.replace(torn.value, format::mark_size, format::mark_size, '\0');
  disk.set_content(first_file, bytes);
  {
    RunningJournal journal(disk);
    journal.commit(publish("c", "AAAA"));  // in the place of "aaaa", right before "bbbb"
  }
  RunningJournal journal(disk);
  EXPECT_EQ(read_all(*journal), std::vector<std::string>{"c AAAA"});
}

TEST(journal_recovery, names_offset_and_position_of_the_damage) {
  const Written written = write(40, 900);  // several segments
  const auto files = written.disk.files();
  std::vector<std::string> names;
  for (const auto& [name, content] : files) {
    if (name.ends_with(".seg")) names.push_back(name);
  }
  ASSERT_GE(names.size(), 3U);
  MemoryDisk disk = written.disk.clone();
  std::string bytes = disk.content(names[1]);
  bytes[5000] = static_cast<char>(bytes[5000] ^ 4);
  disk.set_content(names[1], bytes);
  const auto directory = disk.directory();
  const JournalSummary seen = inspect_journal(*directory);
  EXPECT_EQ(seen.state, JournalState::corrupt);
  EXPECT_EQ(seen.damaged_file, names[1]);
  EXPECT_LE(seen.damaged_offset, 5000U);
  EXPECT_GT(seen.damaged_offset, 4000U);
  EXPECT_EQ(seen.damaged_at.value, std::stoull(names[1]) + seen.damaged_offset);
  EXPECT_THAT(seen.finding, HasSubstr("offset " + std::to_string(seen.damaged_offset)));
  EXPECT_THAT(seen.finding, HasSubstr("proves that all up to position"));
}

TEST(journal_recovery, refuses_a_journal_with_a_segment_missing_in_the_middle) {
  Written written = write(40, 900);
  std::vector<std::string> names;
  for (const auto& [name, content] : written.disk.files()) {
    if (name.ends_with(".seg")) names.push_back(name);
  }
  ASSERT_GE(names.size(), 3U);
  written.disk.remove(names[1]);
  try {
    Journal::open(written.disk.directory(), small_options());
    FAIL() << "a hole went unseen";
  } catch (const JournalCorrupt& e) {
    EXPECT_THAT(e.what(), HasSubstr(names[0]));
    EXPECT_THAT(e.what(), HasSubstr(names[2]));
  }
}

TEST(journal_recovery, refuses_a_segment_of_another_journal) {
  Written one = write(40, 900);
  const Written other = write(40, 900);
  std::string second;
  for (const auto& [name, content] : one.disk.files()) {
    if (name.ends_with(".seg") && name != first_file) {
      second = name;
      break;
    }
  }
  ASSERT_FALSE(other.disk.content(second).empty());
  one.disk.set_content(second, other.disk.content(second));
  try {
    Journal::open(one.disk.directory(), small_options());
    FAIL() << "a foreign segment went unseen";
  } catch (const JournalCorrupt& e) {
    EXPECT_THAT(e.what(), HasSubstr("another journal"));
  }
}

TEST(journal_recovery, refuses_an_unknown_version) {
  Written written = write(1);
  const auto found = recover(*written.disk.directory());
  std::string bytes = written.disk.content(first_file);
  format::write_segment({7, 1, found.id}, {0}, bytes.data());
  written.disk.set_content(first_file, bytes);
  try {
    Journal::open(written.disk.directory(), small_options());
    FAIL() << "version 7 was taken";
  } catch (const JournalCorrupt& e) {
    EXPECT_THAT(e.what(), HasSubstr("version 7"));
  }
}

TEST(journal_recovery, records_of_a_payload_are_not_records) {
  // A payload that is a copy of the journal so far, as a device with access to it might send.
  const Written written = write(3);
  MemoryDisk disk = written.disk.clone();
  {
    RunningJournal journal(disk);
    journal.commit(publish("evil", disk.content(first_file).substr(0, 600)));
    journal.commit(publish("good", "1"));
  }
  RunningJournal journal(disk);
  EXPECT_EQ(read_all(*journal).size(), 5U);
}

TEST(journal_recovery, open_packet_ids_follow_from_snapshot_and_records) {
  const Written written = write(40, 900);
  const auto directory = written.disk.directory();
  const JournalSummary seen = inspect_journal(*directory);
  EXPECT_EQ(seen.state, JournalState::sound);
  ASSERT_EQ(seen.open_ids.size(), 40U);
  EXPECT_EQ(seen.open_ids.front(), (OpenPacketId{"c", 1}));
  EXPECT_EQ(seen.open_ids.back(), (OpenPacketId{"c", 40}));
}

TEST(journal_recovery, a_random_cut_of_a_random_journal_leaves_a_prefix_with_all_that_was_acked) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    std::mt19937_64 random(seed);
    const MemoryDisk disk;
    std::vector<std::string> appended;
    std::vector<std::pair<Position, std::size_t>> acked;  // durable position, messages below it
    MemoryDisk after;
    {
      RunningJournal journal(disk);
      const int count = static_cast<int>(random() % 120);
      std::size_t durable = 0;
      for (int i = 0; i < count; ++i) {
        const std::string payload = std::to_string(i) + std::string(random() % 700, 'r');
        const auto done =
            journal->append(publish("c", payload, static_cast<std::uint8_t>(random() % 2)));
        if (!done) {  // busy
          ASSERT_EQ(done.error(), AppendError::busy);
          journal.wait_durable(journal->appended());
          continue;
        }
        appended.push_back("c " + payload);
        if (random() % 4 == 0) {
          journal.wait_durable(done->end);
          durable = appended.size();
        }
      }
      after = disk.crash_clone(seed);
      acked.emplace_back(journal->durable(), durable);
    }
    RunningJournal journal(after);
    const auto kept = read_all(*journal);
    ASSERT_LE(kept.size(), appended.size()) << "seed " << seed;
    ASSERT_GE(kept.size(), acked.back().second) << "seed " << seed;
    ASSERT_EQ(kept, head(appended, kept.size())) << "seed " << seed;
    journal.commit(publish("c", "next"));
    journal->stop();
    ASSERT_EQ(inspect_journal(*after.directory()).state, JournalState::sound) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rowgate::storage
