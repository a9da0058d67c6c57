#pragma once
// A journal on a memory disk whose commit thread runs only when a test says so, and what it holds.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "storage/journal/journal.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::broker {

struct JournalOnMemory {
  explicit JournalOnMemory(std::size_t batch_bytes = 64U << 10) {
    storage::JournalOptions options;
    options.segment_bytes = 256U << 10;
    options.batch_bytes = batch_bytes;
    options.window_bytes = 128U << 10;
    options.lanes = 4;
    journal = storage::Journal::open(disk.directory(), options);
  }
  ~JournalOnMemory() { journal->stop(); }

  void start() {
    if (std::exchange(started, true)) return;
    journal->start([](storage::Position) {}, [](const std::string&) {});
  }
  /// Appends until the open buffer has no room. How many.
  int fill() {
    int n = 0;
    for (const std::size_t size : {1000U, 1U}) {
      while (journal->append_event(std::string(size, 'x'))) ++n;
    }
    return n;
  }
  /// Every record so far, in order. Starts the commit thread if nobody has.
  void each(const std::function<void(const storage::RecordView&)>& visit) {
    start();
    const storage::Position end = journal->appended();
    for (storage::Position at = journal->first(); at < end;) {
      const auto batch = journal->read(at, {}, std::chrono::seconds(20));
      ASSERT_TRUE(batch);
      storage::RecordCursor cursor(*batch, at);
      for (storage::RecordView record; cursor.next(record);) visit(record);
      at = batch->end();
    }
  }

  test::MemoryDisk disk;
  std::unique_ptr<storage::Journal> journal;
  bool started = false;
};

}  // namespace rowgate::broker
