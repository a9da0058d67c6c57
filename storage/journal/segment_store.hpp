#pragma once
// The disk side of the journal: the segment files, the spare ones made ready for them, and the
// directory that holds both.
//
// Files: "<base>.seg" is a segment, "spare-<n>" a file full of zeros or of old records that becomes
// one. A spare gets a segment's name only after its first commit is on disk, and loses it before
// anything else happens to it, so a .seg file always begins with valid records. "flushed" remembers
// how far every sink had flushed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage/journal/append_buffer.hpp"
#include "storage/journal/batch.hpp"
#include "storage/journal/chunk_pool.hpp"
#include "storage/journal/open_ids.hpp"
#include "storage/journal/recovery.hpp"
#include "storage/os/clock.hpp"
#include "storage/os/file.hpp"

namespace rowgate::storage {

class SegmentStore {
 public:
  using Done = Result<void, os::Error>;
  struct Limits {
    std::uint64_t segment_bytes;
    std::uint64_t max_bytes;    // of all files; what may go makes way for what comes
    std::chrono::seconds keep;  // how long what may go stays
  };

  /// Removes spares of an earlier run. `clock` outlives the store.
  SegmentStore(std::unique_ptr<os::Directory> directory, const Limits& limits, os::Clock& clock);

  // At start-up, before there are threads. These throw JournalError.

  os::Directory& directory() noexcept { return *directory_; }
  /// Takes over what recovery found; opens the last segment for appending.
  void adopt(const Recovered& recovered);
  /// Cuts the active segment's file off at `end`.
  void cut(Position end);
  /// Disk promised to segments that may not go, as adopted.
  std::uint64_t disk_promised() const;
  /// Publish records of `lane` in [from, until): whole segments by the counts recovery made.
  std::uint64_t count(Lane lane, Position from, Position until) const;

  // The thread that commits (or the one that opens and closes the journal).

  /// Begins a new segment with no records but its opening ones, then drops all before it. A segment
  /// of that base that the store has not adopted is replaced in one step.
  /// Returns where its records end.
  Result<Position, os::Error> begin_anew(const format::SegmentBody& segment, Position base,
                                         OpenIds& open_ids);
  /// Writes and syncs. A failure is final: the caller stops for good.
  Done commit(const PendingCommit& pending);
  /// Whether fill() has anything to do. `may_grow`: a further segment is allowed.
  bool wants_filling(bool may_grow) const;
  /// Writes the next `bytes` of zeros ahead of need, into the active segment or a spare.
  Done fill(std::uint64_t bytes);
  bool holds_only_openings() const noexcept { return active_opening_only_; }
  /// Whether even the newest record is older than what may go stays.
  bool outdated() const noexcept { return is_outdated(active_newest_); }

  // The thread that trims, and the lanes; one at a time.

  /// Returns the disk space that nothing needs any more, be it given up or retained. Stops at the
  /// first trouble; the next trim goes on from there.
  std::uint64_t trim(Position flushed);
  /// Returns the disk space that is needed again.
  std::uint64_t need(Position from);

  // Any thread.

  /// Verified records from `from` on, up to `until` at most, in memory of `chunks`. Throws
  /// JournalCorrupt, JournalError.
  std::shared_ptr<const Batch> read_run(Position from, Position until, std::uint32_t seed,
                                        ChunkPool& chunks) const;
  Position first() const noexcept { return {first_.load(std::memory_order_acquire)}; }
  Position trimmed() const noexcept {
    return std::max(first(), Position{trimmed_.load(std::memory_order_acquire)});
  }
  std::uint64_t retained_bytes() const;
  std::uint64_t disk_bytes() const noexcept { return disk_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Segment {
    std::string file;
    Position base;
    std::uint64_t bytes = 0;               // size of the file
    std::vector<std::uint64_t> publishes;  // by lane, as recovered
    Timestamp newest;                      // of its records; not of the active segment
    bool wanted = true;                    // not below what every sink has flushed
  };
  struct Spare {
    std::string file;
    std::unique_ptr<os::File> open;
    std::uint64_t filled = 0;  // bytes it has
  };

  Result<Spare, os::Error> take_spare();
  Result<Spare, os::Error> make_spare();
  Done begin_segment(Position base, std::string_view bytes);
  /// Retained segments go, the oldest first, where a further file would break the limit.
  void make_way();
  bool is_outdated(Timestamp newest) const noexcept;
  bool frees_some(Position flushed) const;
  void remember_trimmed(Position to);
  Done drop_oldest();  // with drop_mutex_ held
  std::uint64_t promised(const Segment& segment) const noexcept;
  Done fill_spare(std::uint64_t bytes);
  void grown(std::uint64_t& bytes, std::uint64_t to);
  [[noreturn]] void throw_corrupt(const Segment& segment, Position at) const;

  const std::unique_ptr<os::Directory> directory_;
  const std::uint64_t segment_bytes_;
  const std::uint64_t max_bytes_;
  const std::chrono::seconds keep_;
  os::Clock& clock_;
  format::JournalId id_{};
  std::atomic<std::uint64_t> first_{0};
  std::atomic<std::uint64_t> trimmed_{0};  // written by trim() and need()
  std::atomic<std::uint64_t> disk_bytes_{0};
  std::atomic<std::uint64_t> spares_made_{0};

  // The committing thread's own.
  std::unique_ptr<os::File> active_;
  Position active_base_;
  std::uint64_t active_used_ = 0;    // offset behind the last record
  std::uint64_t active_filled_ = 0;  // size of the file
  bool active_opening_only_ = false;
  Timestamp active_newest_;       // about when its last record came
  std::optional<Spare> filling_;  // a new spare, not all zeros yet

  // One drops segments at a time; guards unsynced_. A commit at the limit waits for it.
  std::mutex drop_mutex_;
  bool unsynced_ = false;  // a rename or removal that the directory has not synced yet

  mutable std::mutex mutex_;       // guards what follows
  std::vector<Segment> segments_;  // by base; the last one is active
  std::vector<Spare> spares_;      // ready for use
};

}  // namespace rowgate::storage
