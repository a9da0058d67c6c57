#include "storage/journal/segmented_journal.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <numeric>
#include <random>

#include "storage/journal/segment_scan.hpp"

namespace rowgate::storage {
namespace {

/// Zeros are written ahead in slices of this size, so that a commit never waits long for one.
constexpr std::uint64_t slice_bytes = 256U << 10;
/// Lanes that catch up may be so far apart, some batches' rows, without reading it all again.
constexpr std::size_t most_run_bytes = 16U << 20;

format::JournalId new_id() {
  std::random_device source;
  format::JournalId id;
  for (char& c : id) c = static_cast<char>(source() & 0xFFU);
  return id;
}

/// What the options come to: a batch fits into a segment, and the limit allows a few segments.
AppendBuffer::Limits limits_from(const JournalOptions& o) {
  AppendBuffer::Limits limits{};
  limits.max_bytes = std::max<std::uint64_t>(o.max_bytes, 4 * 4096);
  limits.segment_bytes = std::clamp<std::uint64_t>(o.segment_bytes, 4096, limits.max_bytes / 4);
  limits.batch_bytes = std::clamp<std::size_t>(
      o.batch_bytes, 1024, std::min<std::size_t>(limits.segment_bytes / 2, 1U << 30));
  limits.window_bytes = o.window_bytes;
  return limits;
}

/// As a journal is new, or was closed with every record flushed to the sinks: one segment and in it
/// nothing but the opening records.
bool only_openings(const Recovered& found) noexcept {
  return found.segments.size() == 1 && found.state == JournalState::sound &&
         std::accumulate(found.records.begin(), found.records.end(), std::uint64_t{0}) == 3;
}

}  // namespace

std::unique_ptr<Journal> Journal::open(std::unique_ptr<os::Directory> directory,
                                       const JournalOptions& options) {
  return SegmentedJournal::open(std::move(directory), options);
}

std::unique_ptr<SegmentedJournal> SegmentedJournal::open(std::unique_ptr<os::Directory> directory,
                                                         const JournalOptions& options) {
  if (const auto locked = directory->lock("lock"); !locked) {
    if (locked.error().code != EWOULDBLOCK) throw JournalError(locked.error().message);
    throw JournalError(fmt::format(
        "{}. Another gateway uses this journal: stop it, or give this one its own data directory.",
        locked.error().message));
  }
  const auto limits = limits_from(options);
  const std::uint16_t lanes = std::max<std::uint16_t>(options.lanes, 1);
  Recovered found = recover(*directory);
  if (found.state == JournalState::corrupt) throw JournalCorrupt(found.finding);

  const SegmentStore::Limits kept{limits.segment_bytes, limits.max_bytes, options.keep};
  auto store = std::make_unique<SegmentStore>(std::move(directory), kept, *options.clock);
  AppendBuffer::Start start;
  start.open_ids = std::move(found.open_ids);
  if (found.state == JournalState::empty) {
    start.segment = {format::version, lanes, new_id()};
    start.end = require(store->begin_anew(start.segment, {}, start.open_ids));
    start.disk_used = limits.segment_bytes;
  } else if (only_openings(found) && found.lanes != lanes) {
    // In the same place and of the same size, so every checkpoint stays where it is.
    start.segment = {format::version, lanes, found.id};
    start.segment_base = found.segments.back().base;
    start.end = require(store->begin_anew(start.segment, start.segment_base, start.open_ids));
    start.disk_used = limits.segment_bytes;
  } else {
    const RecoveredSegment& last = found.segments.back();
    start.segment = {format::version, found.lanes, found.id};
    start.end = last.end;
    start.segment_base = last.base;
    // What an older program must not meet there goes into a segment that it refuses.
    start.segment_closed = found.version < format::version;
    store->adopt(found);
    start.disk_used = store->disk_promised();
    if (found.state == JournalState::torn_tail) store->cut(last.end);
  }
  return std::make_unique<SegmentedJournal>(std::move(store), limits, std::move(start));
}

SegmentedJournal::SegmentedJournal(std::unique_ptr<SegmentStore> store,
                                   const AppendBuffer::Limits& limits, AppendBuffer::Start start)
    : segment_(start.segment),
      seed_(format::seed_of(segment_.id)),
      id_(format::to_hex(segment_.id)),
      recovered_(start.end),
      store_(std::move(store)),
      buffer_(limits, std::move(start)),
      window_(limits.window_bytes, recovered_),
      runs_(*store_, seed_, std::min(limits.window_bytes, most_run_bytes)) {}

SegmentedJournal::~SegmentedJournal() {
  stop();
}

void SegmentedJournal::start(std::function<void(Position)> on_durable,
                             std::function<void(const std::string&)> on_failure) {
  const std::lock_guard lock(thread_mutex_);
  on_durable_ = std::move(on_durable);
  on_failure_ = std::move(on_failure);
  thread_ = std::thread([this] {
    while (step(true) != Step::ended) {
    }
  });
  pthread_setname_np(thread_.native_handle(), "rowgate-commit");
}

void SegmentedJournal::stop() noexcept {
  buffer_.stop();
  {
    const std::lock_guard lock(thread_mutex_);
    if (thread_.joinable()) thread_.join();
  }
  window_.close();
}

SegmentedJournal::Step SegmentedJournal::step(bool wait) noexcept {
  try {
    return try_step(wait);
  } catch (const std::exception& e) {
    fail(e.what());
    return Step::ended;
  }
}

SegmentedJournal::Step SegmentedJournal::try_step(bool wait) {
  PendingCommit pending;
  const bool fill = store_->wants_filling(buffer_.can_grow());
  switch (buffer_.take(pending, wait && !fill)) {
    case AppendBuffer::Taken::ended:
      begin_anew_if_drained();
      return Step::ended;
    case AppendBuffer::Taken::batch:
      if (!commit(pending)) return Step::ended;
      owed_ = fill ? owed_ + 2 * pending.bytes.size() : 0;
      if (owed_ < slice_bytes) return Step::worked;
      owed_ = 0;
      break;
    case AppendBuffer::Taken::nothing:
      if (!fill) return Step::idle;
      break;
  }
  if (const auto done = store_->fill(slice_bytes); !done) {
    fail(done.error().message);
    return Step::ended;
  }
  return Step::worked;
}

bool SegmentedJournal::commit(const PendingCommit& pending) {
  if (const auto done = store_->commit(pending); !done) {
    fail(done.error().message);
    return false;
  }
  commits_.fetch_add(1, std::memory_order_relaxed);
  window_.add(
      std::make_shared<const Batch>(pending.first, pending.bytes, pending.owner, pending.plain));
  if (on_durable_) on_durable_(pending.end());
  return true;
}

/// A journal whose every record is flushed to the sinks, and that retains none, is closed with a
/// fresh segment, so that the next start may choose another number of lanes.
void SegmentedJournal::begin_anew_if_drained() {
  const Position end = window_.durable();
  if (store_->holds_only_openings() || store_->trimmed() < end || !store_->outdated()) return;
  // Nothing is promised by it, so a failure is no failure of the journal: whatever it leaves behind
  // is a journal that opens, with the lanes it has.
  (void)buffer_.with_open_ids(
      [&](OpenIds& open_ids) { return store_->begin_anew(segment_, end, open_ids); });
}

void SegmentedJournal::fail(const std::string& why) {
  buffer_.fail();
  window_.close();
  if (on_failure_) {
    on_failure_(fmt::format(
        "The journal stopped: {}. Nothing after position {} is acknowledged. Free or repair the "
        "disk, then start again.",
        why, window_.durable().value));
  }
}

Result<Appended, AppendError> SegmentedJournal::append(const PublishRecord& record) noexcept {
  try {
    return buffer_.append(record);
  } catch (const std::bad_alloc&) {
    return AppendError::busy;
  }
}

Result<Appended, AppendError> SegmentedJournal::release(std::string_view client_id,
                                                        std::uint16_t packet_id) noexcept {
  try {
    return buffer_.release(client_id, packet_id);
  } catch (const std::bad_alloc&) {
    return AppendError::busy;
  }
}

Result<Appended, AppendError> SegmentedJournal::forget(std::string_view client_id) noexcept {
  try {
    return buffer_.forget(client_id);
  } catch (const std::bad_alloc&) {
    return AppendError::busy;
  }
}

Result<Appended, AppendError> SegmentedJournal::append_event(std::string_view event) noexcept {
  try {
    return buffer_.append_event(event);
  } catch (const std::bad_alloc&) {
    return AppendError::busy;
  }
}

bool SegmentedJournal::has_open(std::string_view client_id) const noexcept {
  return buffer_.has_open(client_id);
}

bool SegmentedJournal::is_open(std::string_view client_id, std::uint16_t packet_id) const noexcept {
  return buffer_.is_open(client_id, packet_id);
}

std::uint64_t SegmentedJournal::count(Lane lane, Position from) const {
  return store_->count(lane, from, recovered_);
}

std::shared_ptr<const Batch> SegmentedJournal::read(Position from, std::stop_token stop,
                                                    std::chrono::milliseconds wait) {
  if (!window_.wait_beyond(from, std::move(stop), wait)) return nullptr;
  if (auto batch = window_.find(from)) return batch;
  return runs_.read(from, window_.durable());
}

void SegmentedJournal::trim(const std::function<Position()>& flushed) {
  const std::lock_guard lock(trim_mutex_);
  const Position to = flushed();
  runs_.trim(to);
  buffer_.freed(store_->trim(to));
}

Position SegmentedJournal::need(Position from) {
  const std::lock_guard lock(trim_mutex_);
  buffer_.needed(store_->need(from));
  return first();
}

}  // namespace rowgate::storage
