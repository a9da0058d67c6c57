#pragma once
// Reads a whole journal directory and says what is in it and whether it may be used: the rules of
// "Recovery" in docs/journal-format.md. Changes nothing.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/journal/format.hpp"
#include "storage/journal/inspect.hpp"
#include "storage/journal/open_ids.hpp"
#include "storage/os/file.hpp"

namespace rowgate::storage {

struct RecoveredSegment {
  std::string file;
  Position base;
  Position end;  // after its last valid record
  std::uint64_t file_bytes = 0;
  std::vector<std::uint64_t> publishes;  // by lane
  std::optional<Timestamp> oldest;       // receive times of its publishes
  std::optional<Timestamp> newest;
};

struct Recovered {
  JournalState state = JournalState::empty;
  std::string finding;  // torn_tail, corrupt: a sentence for people
  std::string damaged_file;
  Position damaged_base;
  Position damaged_at;

  format::JournalId id{};
  std::uint32_t seed = 0;
  std::uint16_t version = 0;  // of the last segment
  std::uint16_t lanes = 0;
  std::vector<RecoveredSegment> segments;
  Position last_commit;  // its mark; all before it was on disk when it was made
  OpenIds open_ids;
  std::array<std::uint64_t, record_types> records{};  // by RecordType
  Position trimmed;  // Journal::trimmed() as the file "flushed" remembers it
};

/// The file in the journal's directory that remembers how far every sink had flushed.
inline constexpr std::string_view flushed_file = "flushed";
/// Its text: "<journal id> <position>\n".
std::string flushed_text(const format::JournalId& id, Position flushed);

/// Sees each valid record, in order, with the segment it is in.
using RecordVisitor = std::function<void(const RecoveredSegment&, std::string_view record)>;

/// Stops at the first corruption found; `segments` then ends with the damaged one, as far as it is
/// valid. Throws JournalError when the directory or a file cannot be read.
Recovered recover(os::Directory& directory, const RecordVisitor& visit = {});

}  // namespace rowgate::storage
