#pragma once
// What the journal's tests share: a journal on a disk in memory, with messages as strings.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/journal/batch.hpp"
#include "storage/journal/journal.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::test {

/// Segments of 16 KiB, batches of 4 KiB, 1 MiB in all, nothing kept in memory but the last batch.
inline storage::JournalOptions small_options() {
  storage::JournalOptions options;
  options.max_bytes = 1U << 20;
  options.segment_bytes = 16U << 10;
  options.batch_bytes = 4U << 10;
  options.window_bytes = 1;
  return options;
}

inline storage::PublishRecord publish(std::string_view client, std::string_view payload,
                                      std::uint8_t qos = 1, std::uint16_t packet_id = 1) {
  storage::PublishRecord record;
  record.client_id = client;
  record.topic = "site/1/room/2/climate";
  record.payload = payload;
  record.received_at = {1767225600000000};
  record.packet_id = qos == 0 ? std::uint16_t{0} : packet_id;
  record.qos = qos;
  return record;
}

/// A started journal. Stops in its destructor.
class RunningJournal {
 public:
  explicit RunningJournal(std::unique_ptr<os::Directory> directory,
                          const storage::JournalOptions& options = small_options())
      : journal_(storage::Journal::open(std::move(directory), options)) {
    start();
  }
  explicit RunningJournal(const MemoryDisk& disk,
                          const storage::JournalOptions& options = small_options())
      : RunningJournal(disk.directory(), options) {}
  ~RunningJournal() { journal_->stop(); }

  storage::Journal& operator*() { return *journal_; }
  storage::Journal* operator->() { return journal_.get(); }

  /// Waits until durable() >= position: true, or the journal failed: false.
  bool wait_durable(storage::Position position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return journal_->durable() >= position || !failure_.empty(); });
    return journal_->durable() >= position;
  }
  /// Appends, waiting out `busy`, and waits for the commit.
  storage::Appended commit(const storage::PublishRecord& record) {
    for (;;) {
      const auto done = journal_->append(record);
      if (done) {
        EXPECT_TRUE(wait_durable(done->end)) << failure();
        return *done;
      }
      if (done.error() != storage::AppendError::busy) {
        ADD_FAILURE() << "append error " << static_cast<int>(done.error());
        return {};
      }
      wait_durable({journal_->durable().value + 1});
    }
  }
  std::string failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  int failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  void start() {
    journal_->start(
        [this](storage::Position) {
          const std::lock_guard lock(mutex_);
          changed_.notify_all();
        },
        [this](const std::string& why) {
          const std::lock_guard lock(mutex_);
          failure_ = why;
          ++failures_;
          changed_.notify_all();
        });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string failure_;
  int failures_ = 0;
  std::unique_ptr<storage::Journal> journal_;
};

/// "client payload" of each publish in [from, durable()).
inline std::vector<std::string> read_all(storage::Journal& journal, storage::Position from) {
  std::vector<std::string> all;
  while (from < journal.durable()) {
    const auto batch = journal.read(from, {}, std::chrono::milliseconds(0));
    if (!batch) break;
    storage::RecordCursor cursor(*batch, from);
    storage::RecordView record;
    while (cursor.next(record)) {
      if (record.type != storage::RecordType::publish) continue;
      all.push_back(std::string(record.publish.client_id) + " " +
                    std::string(record.publish.payload));
    }
    from = batch->end();
  }
  return all;
}
inline std::vector<std::string> read_all(storage::Journal& journal) {
  return read_all(journal, journal.first());
}

}  // namespace rowgate::test
