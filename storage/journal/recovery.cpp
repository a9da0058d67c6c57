#include "storage/journal/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "storage/journal/segment_scan.hpp"

namespace rowgate::storage {
namespace {

class Recovery {
 public:
  Recovery(os::Directory& directory, const RecordVisitor& visit)
      : directory_(directory), visit_(visit) {}

  Recovered run() {
    const std::vector<Position> bases = find_segments();
    for (std::size_t i = 0; i < bases.size(); ++i) {
      const Position* next = i + 1 < bases.size() ? &bases[i + 1] : nullptr;
      if (!segment(bases[i], next)) break;
    }
    read_flushed();
    return std::move(out_);
  }

 private:
  std::vector<Position> find_segments() {
    std::vector<Position> bases;
    for (const std::string& name : require(directory_.list())) {
      Position base;
      if (parse_segment_name(name, base)) bases.push_back(base);
    }
    return bases;  // the names are sorted, and as long as each other
  }

  /// False: corrupt, go no further.
  bool segment(Position base, const Position* next) {
    const std::string name = segment_name(base);
    auto file = directory_.open(name, os::Directory::Mode::read_only);
    if (!file) {
      // Trimmed since it was listed: only when looking from outside at a journal in use.
      if (file.error().code == ENOENT && out_.segments.empty() && next != nullptr) return true;
      throw JournalError(file.error().message);
    }
    if (!out_.segments.empty() && out_.segments.back().end != base) {
      const auto& last = out_.segments.back();
      return corrupt(last.file, last.base, last.end,
                     fmt::format("its records end here, but the next segment, {}, begins at "
                                 "position {}: a segment is missing, or this one is damaged",
                                 name, base.value));
    }
    RecoveredSegment seg;
    seg.file = name;
    seg.base = seg.end = base;
    seg.file_bytes = require((*file)->size());
    if (!header(**file, seg)) return false;
    out_.segments.push_back(std::move(seg));
    records(**file, next);
    return next != nullptr ? finished(*next) : tail(**file);
  }

  bool header(os::File& file, RecoveredSegment& seg) {
    std::array<char, format::segment_size> bytes{};
    const std::size_t n = require(file.read_at(0, bytes.data(), bytes.size()));
    format::SegmentBody body;
    if (!format::read_segment({bytes.data(), n}, seg.base, body)) {
      return corrupt(seg.file, seg.base, seg.base,
                     "it does not begin with a valid segment record for this position");
    }
    if (body.version < format::oldest_version || body.version > format::version) {
      return foreign_version(seg, body.version);
    }
    if (out_.segments.empty()) {
      out_.id = body.id;
      out_.seed = format::seed_of(body.id);
    } else if (body.id != out_.id) {
      return corrupt(seg.file, seg.base, seg.base,
                     fmt::format("it belongs to another journal ({}, not {})",
                                 format::to_hex(body.id), format::to_hex(out_.id)));
    }
    if (body.lanes == 0 || (!out_.segments.empty() && body.lanes != out_.lanes)) {
      return corrupt(
          seg.file, seg.base, seg.base,
          fmt::format("it has {} lanes, and the segment before it {}", body.lanes, out_.lanes));
    }
    out_.version = body.version;
    out_.lanes = body.lanes;
    return true;
  }

  void records(os::File& file, const Position* next) {
    RecoveredSegment& seg = out_.segments.back();
    SegmentScan scan(file, seg.base, seg.base, out_.seed, buffer_);
    std::string_view record;
    seen_ = 0;
    while ((next == nullptr || scan.position() < *next) && scan.next(record)) {
      if (!opens_rightly(record)) break;
      ++seen_;
      note(seg, record);
      seg.end = scan.position();
      if (visit_) visit_(seg, record);
    }
  }

  /// A segment begins with the records segment, snapshot, mark.
  bool opens_rightly(std::string_view record) const noexcept {
    constexpr RecordType opening[] = {RecordType::segment, RecordType::snapshot, RecordType::mark};
    return seen_ >= std::size(opening) || format::type_of(record.data()) == opening[seen_];
  }

  void note(RecoveredSegment& seg, std::string_view record) {
    const RecordType type = format::type_of(record.data());
    ++out_.records[static_cast<std::size_t>(type)];
    switch (type) {
      case RecordType::segment:
      case RecordType::event:
        break;
      case RecordType::mark:
        out_.last_commit = seg.end;
        break;
      case RecordType::snapshot:
        out_.open_ids.read_snapshot(format::snapshot_body(record));
        break;
      case RecordType::publish: {
        RecordView view;
        format::decode(record, view);
        const std::size_t lane = view.publish.lane.value;
        if (seg.publishes.size() <= lane) seg.publishes.resize(lane + 1);
        ++seg.publishes[lane];
        const Timestamp received = view.publish.received_at;
        seg.oldest = std::min(seg.oldest.value_or(received), received);
        seg.newest = std::max(seg.newest.value_or(received), received);
        if (view.publish.qos == 2 && view.publish.packet_id != 0) {
          out_.open_ids.insert(view.publish.client_id, view.publish.packet_id);
        }
        break;
      }
      case RecordType::release:
        out_.open_ids.erase(format::release_client(record), format::release_packet_id(record));
        break;
      case RecordType::forget:
        out_.open_ids.erase_all(format::forget_client(record));
        break;
    }
  }

  /// A segment that another one follows: all below the other's base was durable when it was made.
  bool finished(Position next) {
    const RecoveredSegment& seg = out_.segments.back();
    if (seg.end == next) return true;
    return corrupt(seg.file, seg.base, seg.end,
                   fmt::format("no valid record begins here, yet the next segment, {}, proves that "
                               "all up to position {} was on disk",
                               segment_name(next), next.value));
  }

  bool tail(os::File& file) {
    const RecoveredSegment& seg = out_.segments.back();
    out_.state = JournalState::sound;
    // A segment gets its name only once its first commit is on disk.
    if (seen_ < 3) {
      return corrupt(seg.file, seg.base, seg.end,
                     "no valid record begins here, where a segment's opening records must be");
    }
    const TailFinding found = search_tail(file, seg.base, seg.end, out_.seed);
    if (found.proof) {
      return corrupt(seg.file, seg.base, seg.end,
                     fmt::format("no valid record begins here, yet the mark at position {} proves "
                                 "that all up to position {} was on disk",
                                 found.mark.value, found.durable.value));
    }
    if (found.remains) {
      out_.state = JournalState::torn_tail;
      damaged(seg.file, seg.base, seg.end);
      out_.finding = fmt::format(
          "{}/{}: a crash cut off the last commit at offset {} (position {}). What it held was "
          "never acknowledged; the next start drops it and goes on.",
          directory_.path(), seg.file, seg.end.value - seg.base.value, seg.end.value);
    }
    return true;
  }

  /// Without the file, or with another journal's, all may still be wanted.
  void read_flushed() {
    if (out_.segments.empty()) return;
    out_.trimmed = out_.segments.front().base;
    const auto text = os::read_file(directory_, flushed_file);
    if (!text) return;
    const std::string id = format::to_hex(out_.id) + ' ';
    if (!std::string_view(*text).starts_with(id)) return;
    Position flushed;
    const char* const end = text->data() + text->size();
    const auto got = std::from_chars(text->data() + id.size(), end, flushed.value);
    if (got.ec != std::errc{} || got.ptr == end || *got.ptr != '\n') return;
    if (flushed > out_.segments.back().end) return;
    out_.trimmed = std::max(out_.trimmed, flushed);
  }

  bool corrupt(const std::string& file, Position base, Position at, std::string_view why) {
    out_.state = JournalState::corrupt;
    damaged(file, base, at);
    out_.finding = fmt::format(
        "{}/{} is damaged at offset {} (position {}): {}. Nothing was changed. Copy the directory "
        "to a safe place, look at it with `rowgate journal verify`, then follow \"A corrupt "
        "journal\" in docs/journal-format.md.",
        directory_.path(), file, at.value - base.value, at.value, why);
    return false;
  }

  bool foreign_version(const RecoveredSegment& seg, std::uint16_t version) {
    const bool newer = version > format::version;
    out_.state = JournalState::corrupt;
    damaged(seg.file, seg.base, seg.base);
    out_.finding = fmt::format(
        "{}/{} has format version {}, and this program reads versions {} to {}: {}. Nothing was "
        "changed. See \"Versions\" in docs/journal-format.md.",
        directory_.path(), seg.file, version, format::oldest_version, format::version,
        newer ? "a newer program wrote it; start that one, or one that is newer still"
              : "an older program wrote it; let that one, or one that reads both versions, drain "
                "it first");
    return false;
  }

  void damaged(const std::string& file, Position base, Position at) {
    out_.damaged_file = file;
    out_.damaged_base = base;
    out_.damaged_at = at;
  }

  os::Directory& directory_;
  const RecordVisitor& visit_;
  Recovered out_;
  std::vector<char> buffer_;
  std::size_t seen_ = 0;  // records of the segment at hand
};

}  // namespace

std::string flushed_text(const format::JournalId& id, Position flushed) {
  return fmt::format("{} {}\n", format::to_hex(id), flushed.value);
}

Recovered recover(os::Directory& directory, const RecordVisitor& visit) {
  return Recovery(directory, visit).run();
}

}  // namespace rowgate::storage
