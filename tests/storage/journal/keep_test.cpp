// JournalOptions::keep: what every sink has flushed stays for a while, and never in anybody's way.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "storage/journal/inspect.hpp"
#include "tests/storage/journal/journal_fixture.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::test {
namespace {

using storage::AppendError;
using storage::Lane;
using storage::Position;

constexpr std::uint64_t segment = 16U << 10;

/// So many segments; one may end, and its file too, a little before its size.
bool about(std::uint64_t bytes, std::uint64_t segments) {
  return bytes > (segments - 1) * segment && bytes <= segments * segment;
}

struct Kept {
  Kept() {
    options.keep = std::chrono::hours(1);
    options.clock = &clock;
    options.max_bytes = 8 * segment;
  }
  storage::PublishRecord record(std::string_view client, std::uint8_t qos = 1) {
    auto made = publish(client, payload, qos);
    made.received_at = clock.now();
    return made;
  }
  /// Publishes until so many segments have been begun in all.
  void fill(RunningJournal& journal, std::uint64_t segments) {
    while (journal->durable().value < (segments - 1) * segment + 1000) journal.commit(record("a"));
  }

  MemoryDisk disk;
  ManualClock clock;
  storage::JournalOptions options = small_options();
  const std::string payload = std::string(900, 'p');
};

TEST(journal_keep, segments_stay_until_their_newest_record_is_older) {
  Kept kept;
  RunningJournal journal(kept.disk, kept.options);
  kept.fill(journal, 3);
  kept.clock.advance(std::chrono::minutes(40));
  kept.fill(journal, 5);
  journal->trim(journal->durable());
  EXPECT_EQ(journal->first(), Position{0});
  EXPECT_EQ(journal->trimmed(), journal->durable());
  EXPECT_TRUE(about(journal->retained_bytes(), 4));

  kept.clock.advance(std::chrono::minutes(40));
  journal->trim(journal->durable());
  EXPECT_TRUE(about(journal->first().value, 2)) << "the third holds a record of the second wave";
  EXPECT_TRUE(about(journal->retained_bytes(), 2));

  kept.clock.advance(std::chrono::minutes(40));
  journal->trim(journal->durable());
  EXPECT_EQ(journal->retained_bytes(), 0U);
}

TEST(journal_keep, ages_survive_a_restart) {
  Kept kept;
  {
    RunningJournal journal(kept.disk, kept.options);
    kept.fill(journal, 4);
    journal->trim(journal->durable());
  }
  kept.clock.advance(std::chrono::minutes(40));
  RunningJournal journal(kept.disk, kept.options);
  journal->trim(journal->durable());
  EXPECT_TRUE(about(journal->retained_bytes(), 3));
  kept.clock.advance(std::chrono::minutes(40));
  journal->trim(journal->durable());
  EXPECT_EQ(journal->retained_bytes(), 0U);
}

TEST(journal_keep, nothing_stays_without_it) {
  Kept kept;
  kept.options.keep = {};
  RunningJournal journal(kept.disk, kept.options);
  kept.fill(journal, 3);
  journal->trim(journal->durable());
  EXPECT_GT(journal->first(), Position{0});
  EXPECT_EQ(journal->retained_bytes(), 0U);
  EXPECT_EQ(kept.disk.files().count("flushed"), 0U);
}

TEST(journal_keep, what_is_retained_makes_way_before_any_publisher_feels_the_limit) {
  Kept kept;
  RunningJournal journal(kept.disk, kept.options);
  for (int i = 0; i < 400; ++i) {
    const auto done = journal->append(kept.record("a", i % 2 == 0 ? 0 : 1));
    ASSERT_TRUE(done) << "publish " << i;
    journal.wait_durable(done->end);
    journal->trim(journal->durable());
    ASSERT_LE(journal->disk_bytes(), kept.options.max_bytes);
  }
  EXPECT_GE(journal->retained_bytes(), 4 * segment);
  EXPECT_GT(journal->first(), Position{0});
}

/// How many publishes it takes before the journal is full.
int until_full(Kept& kept, RunningJournal& journal) {
  for (int taken = 0; taken < 1000; ++taken) {
    const auto done = journal->append(kept.record("a"));
    if (!done) {
      EXPECT_EQ(done.error(), AppendError::full);
      return taken;
    }
    journal.wait_durable(done->end);
    EXPECT_LE(journal->disk_bytes(), kept.options.max_bytes);
  }
  return 1000;
}

TEST(journal_keep, is_remembered_over_a_restart_before_any_sink_has_answered) {
  Kept kept;
  Position trimmed;
  {
    RunningJournal journal(kept.disk, kept.options);
    kept.fill(journal, 7);
    trimmed = journal->durable();
    journal->trim(trimmed);
  }
  RunningJournal journal(kept.disk, kept.options);
  EXPECT_EQ(journal->trimmed(), trimmed);
  EXPECT_EQ(journal->first(), Position{0});
  EXPECT_TRUE(about(journal->retained_bytes(), 6));
  EXPECT_GT(until_full(kept, journal), 100) << "7 segments of 16 publishes and more";
  EXPECT_EQ(journal->retained_bytes(), 0U);
}

TEST(journal_keep, what_a_sink_needs_again_makes_way_for_nobody) {
  Kept kept;
  {
    RunningJournal journal(kept.disk, kept.options);
    kept.fill(journal, 7);
    journal->trim(journal->durable());
    EXPECT_EQ(journal->need(Position{2 * segment}), Position{0});
    EXPECT_EQ(journal->trimmed(), Position{2 * segment});
    EXPECT_LT(until_full(kept, journal), 66) << "3 segments and a rest";
    EXPECT_LE(journal->first(), Position{2 * segment});
    EXPECT_GT(journal->first(), Position{0});
  }
  // Nor after a restart.
  RunningJournal journal(kept.disk, kept.options);
  EXPECT_LE(journal->trimmed(), Position{2 * segment});
  journal->trim(journal->durable());
  EXPECT_GT(until_full(kept, journal), 70) << "once it is flushed again, it does";
}

TEST(journal_keep, a_note_of_another_journal_or_of_no_sense_is_none) {
  for (const std::string text : {"0123456789abcdef0123456789abcdef 99999\n", "", "\n", "x"}) {
    Kept kept;
    {
      RunningJournal journal(kept.disk, kept.options);
      kept.fill(journal, 3);
      journal->trim(journal->durable());
    }
    kept.disk.set_content("flushed", text);
    RunningJournal journal(kept.disk, kept.options);
    EXPECT_EQ(journal->trimmed(), Position{0}) << text;
    EXPECT_EQ(journal->retained_bytes(), 0U) << text;
  }
  Kept kept;
  std::string id;
  {
    RunningJournal journal(kept.disk, kept.options);
    kept.fill(journal, 3);
    id = journal->id();
  }
  kept.disk.set_content("flushed", id + " 99999999\n");
  RunningJournal journal(kept.disk, kept.options);
  EXPECT_EQ(journal->trimmed(), Position{0}) << "beyond the journal's end";
}

TEST(journal_keep, the_number_of_lanes_stays_while_anything_is_retained) {
  Kept kept;
  kept.options.lanes = 2;
  const auto drained = [&](std::uint16_t lanes) {
    RunningJournal journal(kept.disk, kept.options);
    EXPECT_EQ(journal->lanes(), lanes);
    journal.commit(kept.record("a"));
    journal->trim(journal->durable());
  };
  drained(2);
  kept.options.lanes = 3;
  drained(2);
  kept.options.keep = {};
  drained(2);
  drained(3);
}

TEST(journal_keep, is_seen_from_outside) {
  Kept kept;
  const Timestamp since = kept.clock.now();
  Position trimmed;
  {
    RunningJournal journal(kept.disk, kept.options);
    kept.fill(journal, 4);
    trimmed = journal->durable();
    journal->trim(Position{2 * segment + 500});
  }
  const auto directory = kept.disk.directory();
  const auto summary = storage::inspect_journal(*directory);
  EXPECT_TRUE(about(summary.retained_bytes, 2));
  ASSERT_TRUE(summary.retained_since);
  EXPECT_EQ(*summary.retained_since, since);
  ASSERT_EQ(summary.segments.size(), 4U);
  EXPECT_TRUE(summary.segments[1].retained);
  EXPECT_FALSE(summary.segments[2].retained);
}

}  // namespace
}  // namespace rowgate::test
