// What a failed fdatasync leaves behind: readable, and on no disk.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "storage/journal/segmented_journal.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::storage {
namespace {

using Step = SegmentedJournal::Step;

JournalOptions small() {
  JournalOptions options;
  options.max_bytes = 64U << 10;
  options.segment_bytes = 16U << 10;
  options.batch_bytes = 4U << 10;
  return options;
}

bool append(Journal& journal, std::uint16_t packet_id, const std::string& payload) {
  PublishRecord record;
  record.client_id = "c";
  record.topic = "t";
  record.payload = payload;
  record.packet_id = packet_id;
  record.qos = 2;
  return journal.append(record).has_value();
}

// The process ends by itself, as it must after the failure; the machine, later.
TEST(FailedSync, WhatARestartTakesForDurableOutlivesAPowerCut) {
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const test::MemoryDisk disk;
    {
      const auto journal = SegmentedJournal::open(disk.directory(), small());
      ASSERT_TRUE(append(*journal, 7, std::string(100, 'a')));
      EXPECT_EQ(journal->step(false), Step::worked);
      ASSERT_TRUE(append(*journal, 8, std::string(3000, 'b')));
      disk.fail_next_sync(seed);
      EXPECT_EQ(journal->step(false), Step::ended);
      EXPECT_FALSE(append(*journal, 9, "c"));
    }
    Position durable;
    bool open = false;
    {
      const auto journal = SegmentedJournal::open(disk.directory(), small());
      durable = journal->durable();
      open = journal->is_open("c", 8);
    }
    const auto journal = SegmentedJournal::open(disk.crash_clone(seed).directory(), small());
    EXPECT_EQ(journal->durable(), durable) << seed;
    EXPECT_EQ(journal->is_open("c", 8), open) << seed;
  }
}

}  // namespace
}  // namespace rowgate::storage
