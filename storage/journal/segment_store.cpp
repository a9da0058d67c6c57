#include "storage/journal/segment_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/journal/segment_scan.hpp"

namespace rowgate::storage {
namespace {

constexpr std::size_t run_bytes = 1U << 20;
constexpr std::size_t spares_kept = 2;
constexpr std::string_view spare_prefix = "spare-";

const std::string zeros(1U << 20, '\0');

}  // namespace

SegmentStore::SegmentStore(std::unique_ptr<os::Directory> directory, const Limits& limits,
                           os::Clock& clock)
    : directory_(std::move(directory)),
      segment_bytes_(limits.segment_bytes),
      max_bytes_(limits.max_bytes),
      keep_(limits.keep),
      clock_(clock) {
  bool removed = false;
  for (const std::string& name : require(directory_->list())) {
    if (name.rfind(spare_prefix, 0) != 0) continue;
    // It may hold a commit that was never acknowledged: valid records at positions that will be
    // used again.
    require(directory_->remove(name));
    removed = true;
  }
  if (removed) require(directory_->sync());
}

void SegmentStore::adopt(const Recovered& recovered) {
  std::uint64_t disk = 0;
  for (const RecoveredSegment& seg : recovered.segments) {
    // One without a publish is as old as the one before it.
    if (seg.newest) active_newest_ = *seg.newest;
    const bool wanted = &seg == &recovered.segments.back() || seg.end > recovered.trimmed;
    segments_.push_back(
        {seg.file, seg.base, seg.file_bytes, seg.publishes, active_newest_, wanted});
    disk += seg.file_bytes;
  }
  id_ = recovered.id;
  trimmed_ = recovered.trimmed.value;
  const RecoveredSegment& last = recovered.segments.back();
  active_ = require(directory_->open(last.file, os::Directory::Mode::read_write));
  // A killed process leaves writes, and names, that reading shows and a power cut would take back.
  // After a failed fdatasync no further one would help: the system holds for clean what never came
  // to the disk. Only the last commit can be so, since none follows a failure: it is written again.
  const std::uint64_t offset = recovered.last_commit.value - last.base.value;
  std::string commit(last.end.value - recovered.last_commit.value, '\0');
  commit.resize(require(active_->read_at(offset, commit.data(), commit.size())));
  require(active_->write_at(offset, commit));
  require(active_->sync_data());
  require(directory_->sync());
  active_base_ = last.base;
  active_used_ = last.end.value - last.base.value;
  active_filled_ = last.file_bytes;
  disk_bytes_ = disk;
  first_ = segments_.front().base.value;
}

void SegmentStore::cut(Position end) {
  require(active_->truncate(end.value - active_base_.value));
  require(active_->sync_data());
  const std::lock_guard lock(mutex_);
  disk_bytes_ -= active_filled_ - active_used_;
  active_filled_ = segments_.back().bytes = active_used_;
}

void SegmentStore::grown(std::uint64_t& bytes, std::uint64_t to) {
  if (to <= bytes) return;
  disk_bytes_ += to - bytes;
  bytes = to;
}

Result<SegmentStore::Spare, os::Error> SegmentStore::make_spare() {
  const std::string name = fmt::format("{}{}", spare_prefix, ++spares_made_);
  auto file = directory_->open(name, os::Directory::Mode::create_new);
  if (!file) return file.error();
  return Spare{name, std::move(*file), 0};
}

Result<SegmentStore::Spare, os::Error> SegmentStore::take_spare() {
  const auto recycled = [this]() -> std::optional<Spare> {
    const std::lock_guard lock(mutex_);
    if (spares_.empty()) return std::nullopt;
    Spare spare = std::move(spares_.back());
    spares_.pop_back();
    return spare;
  };
  if (auto spare = recycled()) return std::move(*spare);
  if (filling_) return *std::exchange(filling_, std::nullopt);
  make_way();  // which may recycle one
  if (auto spare = recycled()) return std::move(*spare);
  return make_spare();
}

SegmentStore::Done SegmentStore::begin_segment(Position base, std::string_view bytes) {
  auto spare = take_spare();
  if (!spare) return spare.error();
  if (auto done = spare->open->write_at(0, bytes); !done) return done.error();
  if (auto done = spare->open->sync_data(); !done) return done.error();
  const std::string name = segment_name(base);
  if (auto done = directory_->rename(spare->file, name); !done) return done.error();
  if (auto done = directory_->sync(); !done) return done.error();
  // Opened again, so that its errors name the segment.
  auto file = directory_->open(name, os::Directory::Mode::read_write);
  if (!file) return file.error();
  active_ = std::move(*file);
  active_base_ = base;
  active_used_ = bytes.size();
  active_filled_ = spare->filled;
  const std::lock_guard lock(mutex_);
  grown(active_filled_, active_used_);
  if (!segments_.empty()) segments_.back().newest = active_newest_;
  segments_.push_back({name, base, active_filled_, {}, {}, true});
  return {};
}

Result<Position, os::Error> SegmentStore::begin_anew(const format::SegmentBody& segment,
                                                     Position base, OpenIds& open_ids) {
  const std::size_t snapshot_size = open_ids.snapshot_size();
  const std::size_t opening = format::segment_size + snapshot_size;
  const std::uint32_t seed = format::seed_of(segment.id);
  std::string bytes(opening + format::mark_size, '\0');
  char* const snapshot = bytes.data() + format::segment_size;
  format::write_segment(segment, base, bytes.data());
  open_ids.write_snapshot(snapshot + format::header_size);
  format::seal(RecordType::snapshot, snapshot_size, seed, {base.value + format::segment_size},
               snapshot);
  format::write_mark(base, seed, {base.value + opening}, bytes.data() + opening);
  id_ = segment.id;
  if (auto done = begin_segment(base, bytes); !done) return done.error();
  active_opening_only_ = true;
  const std::lock_guard dropping(drop_mutex_);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (segments_.size() == 1) break;
    }
    if (auto done = drop_oldest(); !done) return done.error();
  }
  first_ = base.value;
  return Position{base.value + bytes.size()};
}

SegmentStore::Done SegmentStore::commit(const PendingCommit& pending) {
  active_opening_only_ = false;
  if (pending.new_segment) {
    auto done = begin_segment(pending.first, pending.bytes);
    active_newest_ = clock_.now();
    return done;
  }
  active_newest_ = clock_.now();
  if (auto done = active_->write_at(active_used_, pending.bytes); !done) return done.error();
  if (auto done = active_->sync_data(); !done) return done.error();
  active_used_ += pending.bytes.size();
  if (active_used_ > active_filled_) {
    const std::lock_guard lock(mutex_);
    grown(active_filled_, active_used_);
    segments_.back().bytes = active_filled_;
  }
  return {};
}

bool SegmentStore::wants_filling(bool may_grow) const {
  if (active_filled_ < segment_bytes_ || filling_) return true;
  if (!may_grow || active_used_ < segment_bytes_ / 2) return false;
  const std::lock_guard lock(mutex_);
  return spares_.empty();
}

SegmentStore::Done SegmentStore::fill(std::uint64_t bytes) {
  bytes = std::min<std::uint64_t>(bytes, zeros.size());
  if (active_filled_ >= segment_bytes_) return fill_spare(bytes);
  const std::string_view some(
      zeros.data(), static_cast<std::size_t>(std::min(bytes, segment_bytes_ - active_filled_)));
  if (auto done = active_->write_at(active_filled_, some); !done) return done.error();
  if (auto done = active_->sync_data(); !done) return done.error();
  const std::lock_guard lock(mutex_);
  grown(active_filled_, active_filled_ + some.size());
  segments_.back().bytes = active_filled_;
  return {};
}

SegmentStore::Done SegmentStore::fill_spare(std::uint64_t bytes) {
  if (!filling_) {
    make_way();
    {
      const std::lock_guard lock(mutex_);
      if (!spares_.empty()) return {};
    }
    auto made = make_spare();
    if (!made) return made.error();
    filling_ = std::move(*made);
  }
  const std::string_view some(
      zeros.data(), static_cast<std::size_t>(std::min(bytes, segment_bytes_ - filling_->filled)));
  if (auto done = filling_->open->write_at(filling_->filled, some); !done) return done.error();
  if (auto done = filling_->open->sync_data(); !done) return done.error();
  grown(filling_->filled, filling_->filled + some.size());
  if (filling_->filled < segment_bytes_) return {};
  const std::lock_guard lock(mutex_);
  spares_.push_back(*std::exchange(filling_, std::nullopt));
  return {};
}

/// One at a time, each synced before the next: were a later removal to outlive a crash that an
/// earlier one did not, the journal would have a hole.
SegmentStore::Done SegmentStore::drop_oldest() {
  if (unsynced_) {
    if (auto done = directory_->sync(); !done) return done.error();
    unsynced_ = false;
  }
  Segment oldest;
  bool recycle = false;
  {
    const std::lock_guard lock(mutex_);
    oldest = segments_.front();
    recycle = spares_.size() < spares_kept && oldest.bytes == segment_bytes_;
  }
  Spare spare;
  if (recycle) {
    auto file = directory_->open(oldest.file, os::Directory::Mode::read_write);
    if (!file) return file.error();
    spare = {fmt::format("{}{}", spare_prefix, ++spares_made_), std::move(*file), oldest.bytes};
    if (auto done = directory_->rename(oldest.file, spare.file); !done) return done.error();
  } else {
    if (auto done = directory_->remove(oldest.file); !done) return done.error();
    disk_bytes_ -= oldest.bytes;
  }
  unsynced_ = true;
  {
    const std::lock_guard lock(mutex_);
    segments_.erase(segments_.begin());
    first_.store(segments_.front().base.value, std::memory_order_release);
  }
  if (auto done = directory_->sync(); !done) return done.error();
  unsynced_ = false;
  // Only now: a spare that a crash could give its old name back must not be written to.
  if (recycle) {
    const std::lock_guard lock(mutex_);
    spares_.push_back(std::move(spare));
  }
  return {};
}

bool SegmentStore::frees_some(Position flushed) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 1; i < segments_.size() && segments_[i].base <= flushed; ++i) {
    if (segments_[i - 1].wanted) return true;
  }
  return false;
}

// A segment may go only once the file that says so is on disk. No commit waits for that sync,
// though it may have to drop a segment itself: it drops what was marked before.
std::uint64_t SegmentStore::trim(Position flushed) {
  if (flushed > Position{trimmed_.load()}) {
    trimmed_.store(flushed.value, std::memory_order_release);
  }
  const bool frees = frees_some(flushed);
  if (frees) remember_trimmed(flushed);
  const std::lock_guard dropping(drop_mutex_);
  std::uint64_t freed = 0;
  if (frees) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < segments_.size() && segments_[i].base <= flushed; ++i) {
      if (std::exchange(segments_[i - 1].wanted, false)) freed += promised(segments_[i - 1]);
    }
  }
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (segments_.size() < 2 || segments_[1].base > flushed) return freed;
      if (segments_.front().wanted) return freed;
      if (!is_outdated(segments_.front().newest)) return freed;
    }
    if (const auto done = drop_oldest(); !done) return freed;
  }
}

std::uint64_t SegmentStore::need(Position from) {
  if (from >= Position{trimmed_.load()}) return 0;
  std::uint64_t needed = 0;
  {
    const std::lock_guard dropping(drop_mutex_);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < segments_.size(); ++i) {
      if (segments_[i].base <= from) continue;
      if (!std::exchange(segments_[i - 1].wanted, true)) needed += promised(segments_[i - 1]);
    }
    trimmed_.store(from.value, std::memory_order_release);
  }
  remember_trimmed(from);
  return needed;
}

void SegmentStore::make_way() {
  const std::lock_guard dropping(drop_mutex_);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      const std::uint64_t unfilled = segment_bytes_ - std::min(active_filled_, segment_bytes_);
      const bool fits = disk_bytes_ + unfilled + segment_bytes_ <= max_bytes_;
      if (fits || !spares_.empty() || segments_.size() < 2) return;
      if (segments_.front().wanted) return;
    }
    if (const auto done = drop_oldest(); !done) return;
  }
}

bool SegmentStore::is_outdated(Timestamp newest) const noexcept {
  return keep_.count() == 0 ||
         clock_.now().micros - newest.micros > std::chrono::microseconds(keep_).count();
}

/// Where that fails, the next start takes more for wanted than is.
void SegmentStore::remember_trimmed(Position to) {
  if (keep_.count() > 0) (void)os::write_file(*directory_, flushed_file, flushed_text(id_, to));
}

std::uint64_t SegmentStore::retained_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.wanted ? 0 : segment.bytes;
  return bytes;
}

std::uint64_t SegmentStore::disk_promised() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.wanted ? promised(segment) : 0;
  return bytes;
}

/// What a segment takes or will take.
std::uint64_t SegmentStore::promised(const Segment& segment) const noexcept {
  return std::max(segment.bytes, segment_bytes_);
}

std::shared_ptr<const Batch> SegmentStore::read_run(Position from, Position until,
                                                    std::uint32_t seed, ChunkPool& chunks) const {
  Segment segment;
  {
    const std::lock_guard lock(mutex_);
    auto next = std::upper_bound(segments_.begin(), segments_.end(), from,
                                 [](Position at, const Segment& s) { return at < s.base; });
    if (next == segments_.begin()) {
      throw JournalCorrupt(
          fmt::format("{}: position {} was asked for, but the journal begins at position {}",
                      directory_->path(), from.value, first().value));
    }
    if (next != segments_.end()) until = std::min(until, next->base);
    segment.file = std::prev(next)->file;
    segment.base = std::prev(next)->base;
  }
  const auto file = require(directory_->open(segment.file, os::Directory::Mode::read_only));
  const std::uint64_t offset = from.value - segment.base.value;
  std::size_t want = run_bytes;
  for (;;) {
    want = static_cast<std::size_t>(std::min<std::uint64_t>(want, until.value - from.value));
    const auto chunk = chunks.take(want);
    const char* const bytes = chunk->bytes.get();
    const std::size_t n = require(file->read_at(offset, chunk->bytes.get(), want));
    std::size_t done = 0;
    std::size_t length = 0;
    while (n - done >= format::header_size) {
      const char* record = bytes + done;
      length = format::length_at(record);
      if (length > n - done) break;
      if (!format::verify({record, length}, {from.value + done}, seed)) {
        if (done == 0) throw_corrupt(segment, from);
        break;
      }
      done += length;
    }
    if (done > 0) {
      return std::make_shared<const Batch>(from, std::string_view(bytes, done), chunk);
    }
    // One record larger than a run, or a damaged length.
    if (n < want || length <= want || length > until.value - from.value) {
      throw_corrupt(segment, from);
    }
    want = length;
  }
}

void SegmentStore::throw_corrupt(const Segment& segment, Position at) const {
  throw JournalCorrupt(fmt::format(
      "{}/{} is damaged at offset {} (position {}): the record there was on disk and does not "
      "verify any more. Stop the gateway, copy the directory to a safe place, look at it with "
      "`rowgate journal verify`, then follow \"A corrupt journal\" in docs/journal-format.md.",
      directory_->path(), segment.file, at.value - segment.base.value, at.value));
}

std::uint64_t SegmentStore::count(Lane lane, Position from, Position until) const {
  std::uint64_t total = 0;
  std::vector<Segment> segments;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& seg = segments[i];
    if (from <= seg.base && lane.value < seg.publishes.size()) total += seg.publishes[lane.value];
    // The segment recovery ended in goes on beyond `until`, and others may follow it by now.
    const Position end = i + 1 < segments.size() ? std::min(segments[i + 1].base, until) : until;
    if (from <= seg.base || from >= end || seg.publishes.empty()) continue;
    const auto file = require(directory_->open(seg.file, os::Directory::Mode::read_only));
    format::SegmentBody body;
    char opening[format::segment_size];
    const std::size_t n = require(file->read_at(0, opening, sizeof opening));
    if (!format::read_segment({opening, n}, seg.base, body)) throw_corrupt(seg, seg.base);
    std::vector<char> buffer;
    SegmentScan scan(*file, seg.base, from, format::seed_of(body.id), buffer);
    std::string_view record;
    while (scan.position() < end) {
      if (!scan.next(record)) throw_corrupt(seg, scan.position());
      if (format::type_of(record.data()) == RecordType::publish &&
          format::lane_at(record.data()) == lane) {
        ++total;
      }
    }
  }
  return total;
}

}  // namespace rowgate::storage
