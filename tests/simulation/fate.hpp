#pragma once
// What befalls the process of a gateway: at each operation it asks of the world outside (disk,
// state store, database) it may fail, or be the last.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "storage/os/file.hpp"
#include "storage/state/state_store.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/trace.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::simulation {

enum class Operation : std::uint8_t { read, write, sync, directory, store, database };

class Fate {
 public:
  Fate(Random& random, Trace& trace) noexcept : random_(random), trace_(trace) {}

  enum class Verdict : std::uint8_t {
    well,
    fails,        // it is answered with an error
    dies_before,  // the process ends, and the operation has not taken effect
    dies_after    // nor has anything after it, but the operation has
  };
  Verdict next(Operation operation) noexcept;

  /// The process ends in the n-th operation from now.
  void die_in(std::uint64_t n) noexcept { dies_in_ = n; }
  /// The n-th operation of that kind from now fails.
  void fail_in(Operation operation, std::uint64_t n, bool full) noexcept {
    failing_ = operation;
    fails_in_ = n;
    full_ = full;
  }
  /// None of what was to come comes.
  void spare() noexcept { dies_in_ = fails_in_ = 0; }
  /// A new process, to which nothing is going to happen.
  void begin_anew() noexcept;
  void end() noexcept { dead_ = true; }
  /// While set, all goes well and nothing is counted: the checker looks.
  void look_away(bool on) noexcept { away_ = on; }

  bool dead() const noexcept { return dead_; }
  /// The disk, or the state store, failed this process.
  bool failed() const noexcept { return failed_; }
  bool full() const noexcept { return full_; }
  Random& random() noexcept { return random_; }
  Trace& trace() noexcept { return trace_; }

 private:
  Random& random_;
  Trace& trace_;
  bool dead_ = false;
  bool failed_ = false;
  bool away_ = false;
  bool full_ = false;
  std::uint64_t dies_in_ = 0;  // 0: does not
  std::uint64_t fails_in_ = 0;
  Operation failing_{};
};

/// The disk as that process sees it. A write that fails, or that the process dies in, has written
/// some of its bytes; a failed fdatasync has put some of what it should on disk, and no later one
/// does it.
std::unique_ptr<os::Directory> directory_of(const test::MemoryDisk& disk, Fate& fate);

/// And its state store.
class FatefulStore final : public storage::StateStore {
 public:
  FatefulStore(storage::StateStore& store, Fate& fate) : store_(store), fate_(fate) {}
  storage::Position checkpoint() const noexcept override { return store_.checkpoint(); }
  void load(
      const std::function<void(std::string_view key, std::string_view value)>& visit) override {
    store_.load(visit);
  }
  Result<void, std::string> commit(std::span<const Change> changes,
                                   storage::Position checkpoint) override;

 private:
  storage::StateStore& store_;
  Fate& fate_;
};

}  // namespace rowgate::simulation
