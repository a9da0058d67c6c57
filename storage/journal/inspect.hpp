#pragma once
// A journal looked at from outside: read-only, without its lock, changing nothing. For
// `rowgate journal info|verify|dump` and for tests.
//
// On a running gateway's journal this sees a commit half written as a torn tail, which is harmless.
// Open the directory with os::open_existing_directory(): open_directory() would create it.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/journal/record.hpp"
#include "storage/os/file.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

/// One segment file. Offset in the file = position - first.
struct SegmentSummary {
  std::string file;              // "00000000000000000000.seg"
  Position first;                // of its first byte
  Position end;                  // after its last valid record
  std::uint64_t file_bytes = 0;  // size of the file, zeros to come included
  bool retained = false;         // every sink has flushed it; kept for a database that goes back
};

/// A QoS 2 packet id that a client has published with and not yet released.
struct OpenPacketId {
  std::string client_id;
  std::uint16_t packet_id = 0;
  auto operator<=>(const OpenPacketId&) const = default;
};

enum class JournalState : std::uint8_t {
  sound,      // every record verifies, up to the end
  torn_tail,  // the last commit was cut off by a crash; the next start drops its rest
  corrupt,    // durable records are damaged or missing; a start refuses
  empty,      // no segment in the directory
};

struct JournalSummary {
  JournalState state = JournalState::empty;
  /// torn_tail, corrupt: what is wrong, in which file, where, and what to do.
  std::string finding;
  std::string damaged_file;          // torn_tail, corrupt
  std::uint64_t damaged_offset = 0;  // in that file
  Position damaged_at;               // the same as a position

  std::string id;             // 128 bits in hex
  std::uint16_t version = 0;  // of the last segment
  std::uint16_t lanes = 0;
  Position first;  // oldest byte kept
  Position end;    // after the last valid record
  std::vector<SegmentSummary> segments;
  std::uint64_t retained_bytes = 0;         // of the segments that are retained
  std::optional<Timestamp> retained_since;  // the oldest receive time in them
  /// By RecordType: records[static_cast<std::size_t>(RecordType::publish)].
  std::array<std::uint64_t, record_types> records{};
  std::array<std::uint64_t, 3> publishes_by_qos{};
  std::vector<std::uint64_t> publishes_by_lane;
  std::vector<OpenPacketId> open_ids;  // sorted
};

/// One record on its way past a visitor. Views live during the call.
struct InspectedRecord {
  std::string_view file;
  std::uint64_t offset = 0;  // in that file
  RecordView record;
  std::string_view client_id;      // publish, release, forget
  std::uint16_t packet_id = 0;     // publish at QoS 1 and 2, release
  Position durable;                // mark: the position durable by then
  std::uint64_t snapshot_ids = 0;  // snapshot: how many packet ids it lists
  std::string_view bytes;          // the whole record as it is in the file
};

/// "publish", "mark", ...
std::string_view to_string(RecordType type) noexcept;
std::string_view to_string(JournalState state) noexcept;

/// One line for people, without a line end: position, type and what the record says. Text is
/// escaped; a payload and an event are cut after 64 bytes.
std::string describe(const InspectedRecord& record);

/// Verifies the whole journal and calls `visit` (which may be empty) for each valid record at or
/// after `from`, in order, until it returns false (which ends the visiting, not the verifying).
/// Throws JournalError when the directory or a file cannot be read.
JournalSummary inspect_journal(os::Directory& directory, Position from = {},
                               const std::function<bool(const InspectedRecord&)>& visit = {});

}  // namespace rowgate::storage
