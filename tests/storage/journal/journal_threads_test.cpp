// Many threads at once; meant for ThreadSanitizer as much as for its own assertions.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <thread>

#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::MemoryDisk;
using test::publish;
using test::RunningJournal;
using test::small_options;

constexpr int appenders = 4;
constexpr std::uint16_t lanes = 2;
constexpr int messages = 3000;

void append_all(RunningJournal& journal, int who) {
  const std::string client = "client-" + std::to_string(who);
  for (int i = 0; i < messages; ++i) {
    const std::string payload = std::to_string(i);
    const auto id = static_cast<std::uint16_t>(i + 1);
    auto record = publish(client, payload, i % 5 == 0 ? 2 : 1, id);
    record.lane = Lane{static_cast<std::uint16_t>(who % lanes)};
    for (;;) {
      const auto done = journal->append(record);
      if (done) break;
      // busy and full both pass: the commit thread works, the lanes drain.
      journal.wait_durable({journal->appended().value});
      std::this_thread::yield();
    }
    if (i % 5 == 0 && i % 2 == 0) {
      while (!journal->release(client, id)) journal.wait_durable(journal->appended());
    }
  }
}

/// Drains a lane until all its messages are seen; checks that each client's come in order.
void drain(RunningJournal& journal, Lane lane, std::atomic<std::uint64_t>& checkpoint) {
  std::map<std::string, int, std::less<>> next;
  Position from = journal->first();
  int left = messages * appenders / lanes;
  while (left > 0) {
    const auto batch = journal->read(from, {}, std::chrono::hours(1));
    ASSERT_TRUE(batch);
    RecordCursor cursor(*batch, from);
    RecordView record;
    while (cursor.next_publish(lane, record)) {
      int& expected = next[std::string(record.publish.client_id)];
      ASSERT_EQ(record.publish.payload, std::to_string(expected));
      ++expected;
      --left;
    }
    from = batch->end();
    checkpoint = from.value;
  }
  // Others' messages, which may fill the journal yet, do not wait for a lane that has seen all its
  // own.
  checkpoint = std::numeric_limits<std::uint64_t>::max();
}

TEST(journal_threads, every_lane_sees_each_clients_messages_once_and_in_order) {
  const MemoryDisk disk;
  auto options = small_options();
  options.lanes = lanes;
  options.max_bytes = 256U << 10;  // the appenders run into it
  options.window_bytes = 8U << 10;
  RunningJournal journal(disk, options);
  std::atomic<std::uint64_t> checkpoints[lanes] = {};
  std::atomic<bool> done{false};
  std::vector<std::thread> lane_threads, append_threads;
  for (std::uint16_t i = 0; i < lanes; ++i) {
    lane_threads.emplace_back([&, i] { drain(journal, Lane{i}, checkpoints[i]); });
  }
  for (int i = 0; i < appenders; ++i) {
    append_threads.emplace_back([&, i] { append_all(journal, i); });
  }
  std::thread trimmer([&] {
    while (!done) {
      const auto flushed = std::min(checkpoints[0].load(), checkpoints[1].load());
      journal->trim({std::min(flushed, journal->durable().value)});
      (void)journal->disk_bytes();
      (void)journal->has_open("client-1");
      std::this_thread::yield();
    }
  });
  for (auto& thread : append_threads) thread.join();
  for (auto& thread : lane_threads) thread.join();
  done = true;
  trimmer.join();
  std::thread other([&] { journal->stop(); });
  journal->stop();
  other.join();
  EXPECT_EQ(journal->durable(), journal->appended());
  EXPECT_EQ(journal.failures(), 0) << journal.failure();
}

}  // namespace
}  // namespace rowgate::storage
