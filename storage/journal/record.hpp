#pragma once
// The journal's records as their readers and writers see them. The bytes are in format.hpp and
// docs/journal-format.md.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "schema/base/time.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

enum class RecordType : std::uint8_t {
  segment = 1,   // first record of a segment file: journal id, format version, lanes
  mark = 2,      // first record of a commit: the position durable by then
  snapshot = 3,  // follows `segment`: the QoS 2 packet ids not yet released
  publish = 4,
  release = 5,  // a PUBREL: the packet id may be used again
  forget = 6,   // a session ended: all its packet ids are free
  event = 7,    // of a session, opaque to the journal
};
/// As long as an array must be that a RecordType indexes.
inline constexpr std::size_t record_types = 8;

/// A publish on its way into the journal or out of it. All views borrow.
struct PublishRecord {
  std::string_view client_id;
  std::string_view topic;
  std::string_view properties;  // PUBLISH properties as on the wire, without their length
  std::string_view payload;
  Timestamp received_at;
  Lane lane;
  std::uint16_t packet_id = 0;  // 0 at QoS 0; at QoS 2: this publish opens no packet id
  std::uint8_t qos = 0;
  bool retain = false;
};

/// One record read back. `publish` is set for type publish only, `event` for type event only.
struct RecordView {
  RecordType type{};
  Position position;  // of its first byte
  Position end;       // of the byte after it
  PublishRecord publish;
  std::string_view event;
};

}  // namespace rowgate::storage
