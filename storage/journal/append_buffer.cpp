#include "storage/journal/append_buffer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace rowgate::storage {
namespace {

constexpr std::uint64_t most_control_reserve = 256ULL << 20;

}  // namespace

AppendBuffer::AppendBuffer(const Limits& limits, Start start)
    : limits_(limits),
      segment_(start.segment),
      seed_(format::seed_of(start.segment.id)),
      appended_(start.end.value),
      open_ids_(std::move(start.open_ids)),
      chunks_(2 + limits.window_bytes / (2 * limits.batch_bytes)),
      base_(start.end.value),
      next_(start.end.value),
      segment_stop_(start.segment_closed ? start.end.value
                                         : start.segment_base.value + limits.segment_bytes),
      used_(start.disk_used) {
  const std::lock_guard lock(mutex_);
  open_batch(0);
}

Result<Appended, AppendError> AppendBuffer::append(const PublishRecord& record) {
  const std::size_t n = format::publish_size(record);
  if (n > limits_.batch_bytes || record.client_id.size() > 0xFFFF || record.topic.size() > 0xFFFF) {
    return AppendError::too_large;
  }
  // All but the position is encoded and summed before the lock is taken.
  format::PreparedPublish prepared;
  format::prepare(record, seed_, prepared);

  Lock lock(mutex_);
  if (stopped_) return AppendError::stopped;
  const bool opens_id = record.qos == 2 && record.packet_id != 0;
  if (opens_id && open_ids_.contains(record.client_id, record.packet_id)) {
    return Appended{appended(), true};
  }
  const Rank rank = rank_of(record);
  if (!fits(n, rank)) [[unlikely]] {
    if (const auto error = make_room(n, rank)) return *error;
  }
  if (opens_id) open_ids_.insert(record.client_id, record.packet_id);
  if (record.retain) plain_ = false;
  format::place(record, prepared, {next_}, at_);
  const Appended answer = advance(n);
  wake(lock);
  return answer;
}

Result<Appended, AppendError> AppendBuffer::release(std::string_view client_id,
                                                    std::uint16_t packet_id) {
  const std::size_t n = format::release_size(client_id);
  if (n > limits_.batch_bytes) return AppendError::too_large;
  Lock lock(mutex_);
  if (stopped_) return AppendError::stopped;
  if (!open_ids_.contains(client_id, packet_id)) return Appended{appended(), true};
  if (!fits(n, Rank::control)) {
    if (const auto error = make_room(n, Rank::control)) return *error;
  }
  open_ids_.erase(client_id, packet_id);
  format::write_release(client_id, packet_id, seed_, {next_}, at_);
  const Appended answer = advance(n);
  wake(lock);
  return answer;
}

Result<Appended, AppendError> AppendBuffer::forget(std::string_view client_id) {
  const std::size_t n = format::forget_size(client_id);
  if (n > limits_.batch_bytes) return AppendError::too_large;
  Lock lock(mutex_);
  if (stopped_) return AppendError::stopped;
  if (!open_ids_.any(client_id)) return Appended{appended(), true};
  if (!fits(n, Rank::control)) {
    if (const auto error = make_room(n, Rank::control)) return *error;
  }
  open_ids_.erase_all(client_id);
  format::write_forget(client_id, seed_, {next_}, at_);
  const Appended answer = advance(n);
  wake(lock);
  return answer;
}

Result<Appended, AppendError> AppendBuffer::append_event(std::string_view event) {
  const std::size_t n = format::event_size(event);
  if (n > limits_.batch_bytes) return AppendError::too_large;
  Lock lock(mutex_);
  if (stopped_) return AppendError::stopped;
  if (!fits(n, Rank::control)) {
    if (const auto error = make_room(n, Rank::control)) return *error;
  }
  plain_ = false;
  format::write_event(event, seed_, {next_}, at_);
  const Appended answer = advance(n);
  wake(lock);
  return answer;
}

bool AppendBuffer::has_open(std::string_view client_id) const {
  const std::lock_guard lock(mutex_);
  return open_ids_.any(client_id);
}

bool AppendBuffer::is_open(std::string_view client_id, std::uint16_t packet_id) const {
  const std::lock_guard lock(mutex_);
  return open_ids_.contains(client_id, packet_id);
}

Appended AppendBuffer::advance(std::size_t n) noexcept {
  at_ += n;
  next_ += n;
  appended_.store(next_, std::memory_order_release);
  return {{next_}, false};
}

/// Unlocks. The system call is made only when the commit thread really sleeps.
void AppendBuffer::wake(Lock& lock) noexcept {
  const bool asleep = std::exchange(sleeping_, false);
  lock.unlock();
  if (asleep) work_.notify_one();
}

/// For a record that does not fit into the open batch as it stands.
std::optional<AppendError> AppendBuffer::make_room(std::size_t n, Rank rank) {
  // Before anything is moved for it: no stop gets further away by that.
  if (beyond_stop(n, rank)) return AppendError::full;
  if (empty() && !new_segment_) {
    // Nobody knows a position in it yet, so it may open anew: elsewhere, or larger by now.
    open_batch(n);
    if (fits(n, rank)) return std::nullopt;
    return AppendError::full;
  }
  return short_of_disk_ && !may_grow() ? AppendError::full : AppendError::busy;
}

/// Opens the batch that begins at base_, so that a record of `want` bytes fits if any way leads
/// there, and writes what stands in front of its records.
void AppendBuffer::open_batch(std::size_t want) {
  const std::uint64_t left = segment_stop_ > base_ ? segment_stop_ - base_ : 0;
  // Rather leave the last 1/16 of a segment empty than make small batches of it.
  const std::uint64_t enough =
      std::max<std::uint64_t>(format::mark_size + want, limits_.segment_bytes / 16);
  const bool new_segment = left < enough && may_grow();
  const std::size_t opening =
      new_segment ? format::segment_size + open_ids_.snapshot_size() : std::size_t{0};
  const std::size_t front = opening + format::mark_size;
  std::size_t room = limits_.batch_bytes;
  if (!new_segment)
    room = static_cast<std::size_t>(std::min<std::uint64_t>(room, left > front ? left - front : 0));

  // First what may throw: without memory the batch stays as it was.
  if (!chunk_ ||
      static_cast<std::size_t>(chunk_->bytes.get() + chunk_->size - begin_) < front + room) {
    chunk_ = chunks_.take(std::max(2 * limits_.batch_bytes, front + room));
    begin_ = chunk_->bytes.get();
  }
  new_segment_ = new_segment;
  short_of_disk_ = room < limits_.batch_bytes;
  if (new_segment_) {
    // A huge snapshot makes a larger segment rather than none.
    segment_stop_ = base_ + std::max<std::uint64_t>(limits_.segment_bytes, front + room);
    used_ += limits_.segment_bytes;
    format::write_segment(segment_, {base_}, begin_);
    char* const snapshot = begin_ + format::segment_size;
    open_ids_.write_snapshot(snapshot + format::header_size);
    format::seal(RecordType::snapshot, opening - format::segment_size, seed_,
                 {base_ + format::segment_size}, snapshot);
  }
  // This batch is written only after the one before it was synced.
  format::write_mark({base_}, seed_, {base_ + opening}, begin_ + opening);
  records_ = at_ = begin_ + front;
  limit_ = at_ + room;
  next_ = base_ + front;
  set_stops();
}

/// QoS 0 leaves 1/16 of max_bytes to what is promised, and that the last 1/64 to control records:
/// some hundred bytes each, so 256 MiB are enough however large the journal is.
void AppendBuffer::set_stops() noexcept {
  const std::uint64_t free = limits_.max_bytes > used_ ? limits_.max_bytes - used_ : 0;
  const std::uint64_t whole = free - free % limits_.segment_bytes;
  const std::uint64_t end = segment_stop_ + whole;
  const auto leaving = [end](std::uint64_t kept) { return end > kept ? end - kept : 0; };
  stops_ = {leaving(limits_.max_bytes / 16),
            leaving(std::min(limits_.max_bytes / 64, most_control_reserve)),
            std::numeric_limits<std::uint64_t>::max()};
}

void AppendBuffer::freed(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= std::min(used_, bytes);
  set_stops();
}

void AppendBuffer::needed(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ += bytes;
  set_stops();
}

bool AppendBuffer::can_grow() const {
  const std::lock_guard lock(mutex_);
  return may_grow();
}

AppendBuffer::Taken AppendBuffer::take(PendingCommit& out, bool wait) {
  Lock lock(mutex_);
  while (empty() || failed_) {
    if (stopped_) return Taken::ended;
    if (!wait) return Taken::nothing;
    sleeping_ = true;
    work_.wait(lock);
    sleeping_ = false;
  }
  out.owner = chunk_;
  out.bytes = {begin_, static_cast<std::size_t>(at_ - begin_)};
  out.first = {base_};
  out.new_segment = new_segment_;
  out.plain = std::exchange(plain_, true);
  begin_ = at_;
  base_ = next_;
  open_batch(0);
  return Taken::batch;
}

void AppendBuffer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_one();
}

void AppendBuffer::fail() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = failed_ = true;
  }
  work_.notify_one();
}

}  // namespace rowgate::storage
