// What the journal costs and carries: append into memory, durable messages with a window of them
// unacknowledged, recovery, and catching up from segments.
//
// The disk measured is that of $ROWGATE_BENCH_DIR, or of the current directory; what is made there
// is removed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/journal/append_buffer.hpp"
#include "storage/journal/crc32c.hpp"
#include "storage/journal/journal.hpp"

namespace {

using namespace rowgate::storage;
using Clock = std::chrono::steady_clock;

/// A record of 100 bytes: 40 of header and fixed part, client 8, topic 24, payload 28.
PublishRecord sample(std::uint8_t qos = 1) {
  PublishRecord record;
  record.client_id = "device01";
  record.topic = "site/1/room/2/climate/ab";
  record.payload = R"({"temp":21.5,"humidity": 40})";
  record.received_at = {1767225600000000};
  record.packet_id = 1;
  record.qos = qos;
  return record;
}

class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* const at = std::getenv("ROWGATE_BENCH_DIR");
    path_ = std::string(at != nullptr ? at : ".") + "/rowgate-journal-bench";
    std::filesystem::remove_all(path_);
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  std::unique_ptr<Journal> open() const {
    return Journal::open(std::move(*rowgate::os::open_directory(path_)), JournalOptions{});
  }

 private:
  std::string path_;
};

void crc32c_block(benchmark::State& state) {
  const std::string block(static_cast<std::size_t>(state.range(0)), 'x');
  std::uint32_t crc = 1;
  for (auto _ : state) crc = crc32c_extend(crc, block.data(), block.size());
  benchmark::DoNotOptimize(crc);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc32c_block)->Arg(100)->Arg(1 << 20);

/// The append path alone: whoever finds the batch full takes it and drops it.
void journal_append(benchmark::State& state) {
  static std::unique_ptr<AppendBuffer> buffer;
  if (state.thread_index() == 0) {
    AppendBuffer::Start start;
    start.segment.lanes = 1;
    const AppendBuffer::Limits limits{1ULL << 50, 64U << 20, 8U << 20, 16U << 20};
    buffer = std::make_unique<AppendBuffer>(limits, std::move(start));
  }
  const PublishRecord record = sample();
  for (auto _ : state) {
    while (!buffer->append(record)) {
      PendingCommit taken;
      (void)buffer->take(taken, false);
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(journal_append)->Threads(1)->Threads(2)->UseRealTime();

struct Waiter {
  std::mutex mutex;
  std::condition_variable changed;
  Position durable;
};

void report(benchmark::State& state, std::vector<double>& micros, std::uint64_t commits) {
  if (micros.empty()) return;
  const auto quantile = [&](double q) {
    const auto at =
        micros.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(micros.size() - 1));
    std::nth_element(micros.begin(), at, micros.end());
    return *at;
  };
  state.counters["ack_p50_us"] = quantile(0.5);
  state.counters["ack_p99_us"] = quantile(0.99);
  state.counters["commits"] =
      benchmark::Counter(static_cast<double>(commits), benchmark::Counter::kIsRate);
  state.counters["per_commit"] =
      static_cast<double>(micros.size()) / static_cast<double>(std::max<std::uint64_t>(commits, 1));
}

/// One item: one message acknowledged durable, with at most range(0) on their way.
void journal_durable(benchmark::State& state) {
  const ScratchDirectory scratch;
  const auto journal = scratch.open();
  Waiter waiter;
  journal->start(
      [&](Position durable) {
        const std::lock_guard lock(waiter.mutex);
        waiter.durable = durable;
        waiter.changed.notify_one();
      },
      [](const std::string&) { std::abort(); });
  const auto window = static_cast<std::size_t>(state.range(0));
  const PublishRecord record = sample();
  std::vector<std::pair<Position, Clock::time_point>> waiting;
  std::vector<double> micros;
  std::size_t acked = 0;  // of `waiting`, from its front
  for (auto _ : state) {
    if (acked == waiting.size()) {
      waiting.clear();
      acked = 0;
      while (waiting.size() < window) {
        const auto done = journal->append(record);
        if (!done) break;
        waiting.emplace_back(done->end, Clock::now());
      }
    }
    const auto [end, since] = waiting[acked++];
    {
      std::unique_lock lock(waiter.mutex);
      waiter.changed.wait(lock, [&, end = end] { return waiter.durable >= end; });
    }
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - since).count());
    if (acked == waiting.size()) journal->trim(end);
  }
  const std::uint64_t commits = journal->commits();
  journal->stop();
  state.SetItemsProcessed(state.iterations());
  report(state, micros, commits);
}
BENCHMARK(journal_durable)->Arg(1)->Arg(64)->Arg(1024)->Arg(16384)->UseRealTime();

/// One gibibyte of 100-byte records on disk.
void fill(const ScratchDirectory& scratch) {
  const auto journal = scratch.open();
  journal->start([](Position) {}, [](const std::string&) { std::abort(); });
  const PublishRecord record = sample();
  while (journal->appended().value < (1ULL << 30)) {
    if (!journal->append(record)) std::this_thread::yield();
  }
  journal->stop();
}

void journal_recovery(benchmark::State& state) {
  const ScratchDirectory scratch;
  fill(scratch);
  std::uint64_t bytes = 0;
  for (auto _ : state) bytes += scratch.open()->durable().value;
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(journal_recovery)->Unit(benchmark::kMillisecond)->UseRealTime();

void journal_catch_up(benchmark::State& state) {
  const ScratchDirectory scratch;
  fill(scratch);
  const auto journal = scratch.open();
  std::int64_t records = 0;
  for (auto _ : state) {
    for (Position from = journal->first(); from < journal->durable();) {
      const auto batch = journal->read(from, {}, std::chrono::milliseconds(0));
      RecordCursor cursor(*batch, from);
      RecordView view;
      while (cursor.next_publish(Lane{0}, view)) ++records;
      from = batch->end();
    }
  }
  state.SetItemsProcessed(records);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(journal->durable().value));
}
BENCHMARK(journal_catch_up)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
