#pragma once
// The memory side of appending: the open batch that any thread copies its record into, until the
// commit thread takes it. Holds the append lock, the open QoS 2 packet ids and the count of disk
// space promised to segments, because each append decides by all three at once.
//
// A batch knows where it goes when it opens, since its records' positions depend on it: behind the
// last one, or, when the active segment has too little left, into a new segment, whose opening
// records (segment, snapshot) then lie in front of the batch's mark.
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "storage/journal/chunk_pool.hpp"
#include "storage/journal/format.hpp"
#include "storage/journal/journal.hpp"
#include "storage/journal/open_ids.hpp"

namespace rowgate::storage {

/// What the commit thread writes in one piece.
struct PendingCommit {
  std::shared_ptr<const void> owner;  // keeps `bytes`
  std::string_view bytes;
  Position first;
  bool new_segment = false;  // `bytes` begin a segment file
  bool plain = false;        // as Batch::plain()

  Position end() const noexcept { return {first.value + bytes.size()}; }
};

class AppendBuffer {
 public:
  struct Limits {
    std::uint64_t max_bytes;
    std::uint64_t segment_bytes;
    std::size_t batch_bytes;   // records of one batch, at most
    std::size_t window_bytes;  // how much of what was committed stays in use
  };
  /// Where appending goes on.
  struct Start {
    format::SegmentBody segment;  // for new segments
    Position end;                 // of the last record
    Position segment_base;
    std::uint64_t disk_used = 0;  // by all segments, active one included
    bool segment_closed = false;  // no more records go into the active segment
    OpenIds open_ids;
  };
  AppendBuffer(const Limits& limits, Start start);

  // Any thread.
  Result<Appended, AppendError> append(const PublishRecord& record);
  Result<Appended, AppendError> release(std::string_view client_id, std::uint16_t packet_id);
  Result<Appended, AppendError> forget(std::string_view client_id);
  Result<Appended, AppendError> append_event(std::string_view event);
  bool has_open(std::string_view client_id) const;
  bool is_open(std::string_view client_id, std::uint16_t packet_id) const;
  Position appended() const noexcept { return {appended_.load(std::memory_order_acquire)}; }
  /// Segments of so many bytes are not needed any more.
  void freed(std::uint64_t bytes);
  /// Segments of so many bytes are needed again.
  void needed(std::uint64_t bytes);
  /// Whether the disk limit allows one more segment.
  bool can_grow() const;
  /// Later appends answer `stopped`; take() gives out what there is, then `ended`.
  void stop();
  /// As stop(), and what is not taken yet never will be.
  void fail();

  // The commit thread.
  enum class Taken : std::uint8_t { batch, nothing, ended };
  /// Closes the open batch and opens the next. With `wait`, sleeps until there is something.
  Taken take(PendingCommit& out, bool wait);
  /// After the end: calls visit(open_ids) under the lock.
  template <class Visit>
  auto with_open_ids(Visit visit) {
    const std::lock_guard lock(mutex_);
    return visit(open_ids_);
  }

 private:
  using Lock = std::unique_lock<std::mutex>;
  /// Who may use the last of max_bytes: a lower rank is refused where only so much is left as the
  /// higher ones are to have.
  enum class Rank : std::uint8_t {
    best_effort,  // publishes at QoS 0
    promise,      // publishes at QoS 1 and 2
    control,      // releases, forgets and events: what was begun goes on. May use all
  };
  static constexpr std::size_t ranks = 3;
  static Rank rank_of(const PublishRecord& record) noexcept {
    return record.qos == 0 ? Rank::best_effort : Rank::promise;
  }

  bool empty() const noexcept { return at_ == records_; }
  bool beyond_stop(std::size_t n, Rank rank) const noexcept {
    return next_ + n > stops_[static_cast<std::size_t>(rank)];
  }
  bool fits(std::size_t n, Rank rank) const noexcept {
    return n <= static_cast<std::size_t>(limit_ - at_) && !beyond_stop(n, rank);
  }
  std::optional<AppendError> make_room(std::size_t n, Rank rank);
  void open_batch(std::size_t want);
  void set_stops() noexcept;
  bool may_grow() const noexcept { return used_ + limits_.segment_bytes <= limits_.max_bytes; }
  Appended advance(std::size_t n) noexcept;
  void wake(Lock& lock) noexcept;

  const Limits limits_;
  const format::SegmentBody segment_;
  const std::uint32_t seed_;
  std::atomic<std::uint64_t> appended_;  // written under mutex_

  mutable std::mutex mutex_;  // the append lock; guards all below
  std::condition_variable work_;
  bool sleeping_ = false;  // the commit thread waits for work_: an append must wake it
  bool stopped_ = false;
  bool failed_ = false;
  OpenIds open_ids_;
  ChunkPool chunks_;

  // The open batch: [begin_, at_) in chunk_, positions base_ to next_.
  std::shared_ptr<Chunk> chunk_;
  char* begin_ = nullptr;
  char* records_ = nullptr;  // behind the opening records and the mark
  char* at_ = nullptr;
  char* limit_ = nullptr;
  std::uint64_t base_;
  std::uint64_t next_;
  bool new_segment_ = false;
  bool plain_ = true;           // no event and no RETAIN in it
  bool short_of_disk_ = false;  // limit_ is where the disk limit, not batch_bytes, put it

  std::uint64_t segment_stop_;  // the active (or coming) segment is full at this position
  std::uint64_t used_;          // disk promised to segments, bytes
  std::array<std::uint64_t, ranks> stops_{};  // a rank is refused beyond this position
};

}  // namespace rowgate::storage
