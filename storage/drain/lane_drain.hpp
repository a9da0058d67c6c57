#pragma once
// One lane's drain: batches from the journal in, commits to the sink out. Runs on a thread of its
// own (run()), until asked to stop; run() is a loop around step(), which one may also call oneself.
//
// A batch closes on rows, bytes or age, whichever comes first; an idle lane shows a row within
// max_age of its publish. What the drain does next is a switch over the sink's CommitOutcome. A
// lane without commits looks at its sink now and then (idle_looks.hpp), so that it notices without
// a publish that the database is away, or went back.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "schema/mapping.hpp"
#include "storage/drain/observer.hpp"
#include "storage/drain/rest.hpp"
#include "storage/journal/journal.hpp"
#include "storage/os/clock.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

struct DrainOptions {
  std::size_t max_rows = 20'000;
  std::size_t max_bytes = 8U << 20;
  std::chrono::milliseconds max_age{100};
  std::chrono::milliseconds backoff_first{100};
  std::chrono::milliseconds backoff_max{10'000};
  bool store_unmapped = true;  // false: unmapped messages are counted, not stored
  bool accept_gap = false;     // start although the checkpoint is below the journal's first byte
  /// Somebody waits for each commit: a batch does not wait for its age, but for the commit before.
  bool eager = false;
  DrainObserver observer{};
};

/// Written by the lane's thread, read by any. Counts of messages, since the process began.
struct LaneCounters {
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> dead_letter{0};
  std::atomic<std::uint64_t> unmapped{0};
  // Were in the journal, not drained, at start-up; all it holds until the sink tells the
  // checkpoint.
  std::atomic<std::uint64_t> recovered{0};
  std::atomic<std::uint64_t> rows{0};  // rows committed to mapped tables
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> sequence_gaps{0};       // of Sparkplug B edge nodes
  std::atomic<std::uint64_t> checkpoint{0};          // Position
  std::atomic<std::uint64_t> flushed{0};             // Position: safe to trim below; 0 while away
  std::atomic<std::uint64_t> expired_rows{0};        // deleted, past their table's retention
  std::atomic<std::uint64_t> expired_partitions{0};  // dropped likewise
  std::atomic<bool> connected{false};                // the sink took the last thing asked of it
};

/// Why run() ended.
enum class DrainEnd : std::uint8_t {
  stopped,  // as asked
  fenced,   // another gateway drains with our identity
  fatal,    // the sink or the journal cannot go on; the message says why
};

class LaneDrain {
 public:
  /// `catalog` is asked before each batch and returns the mappings now in force. Everything passed
  /// by reference outlives the drain.
  LaneDrain(Journal& journal, std::unique_ptr<SinkLane> sink, DrainIdentity identity,
            DrainOptions options, os::Clock& clock,
            std::function<std::shared_ptr<const schema::Catalog>()> catalog, LaneCounters& counters,
            std::function<void(const std::string&)> warn);
  ~LaneDrain();

  /// Connects and reads the checkpoint, once. Sets counters.recovered and .checkpoint. For
  /// start-up: a `retry` error means the database is away (run() will go on trying), `fatal` and
  /// `fenced` are final. Checks the checkpoint against the journal: beyond its end, or below its
  /// first byte (unless accept_gap), is fatal with a message that says what to do.
  SinkResult<void> open();

  struct Step {
    std::optional<DrainEnd> end;  // it is over, and `error` set as by run()
    Rest rest;                    // else how long run() would wait before the next
  };
  /// What run() does once: everything that is due by now, without waiting. `stopping`: the caller
  /// wants the end. Never throws.
  Step step(bool stopping, std::chrono::milliseconds linger, std::string& error) noexcept;

  /// Drains until `stop` is requested and then, for at most `linger`, what is durable by then.
  /// Never throws. `error` gets a sentence for people when the end is not `stopped`.
  DrainEnd run(std::stop_token stop, std::chrono::milliseconds linger, std::string& error) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rowgate::storage
