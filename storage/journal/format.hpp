#pragma once
// The journal's bytes, version 2: docs/journal-format.md, in code. Every integer is little endian.
//
//   record  := length:u32 crc:u32 position:u64 type:u8 flags:u8 lane:u16 body
//   segment := magic:8 version:u16 lanes:u16 zero:u32 id:16
//   mark    := durable:u64
//   snapshot:= clients:u32 { client_size:u16 ids:u16 client packet_id:u16* }*
//   publish := received_at:i64 packet_id:u16 client_size:u16 topic_size:u16 zero:u16
//              properties_size:u32 client topic properties payload
//   release := packet_id:u16 client
//   forget  := client
//   event   := bytes
//
// `length` counts the whole record. `crc` is the CRC32C state, seeded with the journal's id, over
// length, then type to the end of the body, then position: all but the position is known before the
// append lock is taken.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/journal/record.hpp"
#include "storage/position.hpp"

namespace rowgate::storage::format {

/// Of the segments written. Those of version 1, which have no event records, are read as well.
inline constexpr std::uint16_t version = 2;
inline constexpr std::uint16_t oldest_version = 1;
inline constexpr std::size_t header_size = 20;
inline constexpr std::size_t publish_fixed_size = 20;
inline constexpr std::size_t mark_size = header_size + 8;
inline constexpr std::size_t segment_size = header_size + 32;
inline constexpr std::size_t snapshot_fixed_size = header_size + 4;
inline constexpr std::string_view magic = "ROWGATE\n";

/// 128 random bits, made with the journal.
using JournalId = std::array<char, 16>;

std::string to_hex(const JournalId& id);

/// What the CRCs of this journal's records start from. Records of another journal never verify, nor
/// do bytes that a publisher who does not know the id puts into a payload.
std::uint32_t seed_of(const JournalId& id) noexcept;

struct SegmentBody {
  std::uint16_t version = 0;
  std::uint16_t lanes = 0;
  JournalId id{};
};

// Encoding. Each writes exactly the size given by its constant or ..._size function.

inline std::size_t publish_size(const PublishRecord& r) noexcept {
  return header_size + publish_fixed_size + r.client_id.size() + r.topic.size() +
         r.properties.size() + r.payload.size();
}

/// A publish ready to be placed: its fixed part encoded and everything but its position summed.
struct PreparedPublish {
  std::size_t size = 0;
  std::uint32_t crc = 0;
  std::array<char, header_size + publish_fixed_size> fixed;
};
/// Preconditions: client id and topic at most 65535 bytes, the record at most 4 GiB - 1.
void prepare(const PublishRecord& r, std::uint32_t seed, PreparedPublish& out) noexcept;
/// Writes out.size bytes.
void place(const PublishRecord& r, const PreparedPublish& prepared, Position at, char* to) noexcept;

inline std::size_t release_size(std::string_view client_id) noexcept {
  return header_size + 2 + client_id.size();
}
inline std::size_t forget_size(std::string_view client_id) noexcept {
  return header_size + client_id.size();
}
inline std::size_t event_size(std::string_view event) noexcept {
  return header_size + event.size();
}
void write_segment(const SegmentBody& body, Position at, char* to) noexcept;
void write_mark(Position durable, std::uint32_t seed, Position at, char* to) noexcept;
void write_release(std::string_view client_id, std::uint16_t packet_id, std::uint32_t seed,
                   Position at, char* to) noexcept;
void write_forget(std::string_view client_id, std::uint32_t seed, Position at, char* to) noexcept;
/// Precondition: the record is at most 4 GiB - 1.
void write_event(std::string_view event, std::uint32_t seed, Position at, char* to) noexcept;
/// Fills in the header of a record of `size` bytes whose body is in place behind it.
void seal(RecordType type, std::size_t size, std::uint32_t seed, Position at,
          char* record) noexcept;

// Decoding.

/// The record's length field; meaningless until verified. Precondition: 4 bytes.
std::uint32_t length_at(const char* p) noexcept;
/// True when `record`, which is as long as its length field says, lies at `at`, has the right CRC
/// and a body of the shape of its type.
bool verify(std::string_view record, Position at, std::uint32_t seed) noexcept;
/// Reads a segment record without knowing the journal's id, which is in it. False: not one.
bool read_segment(std::string_view bytes, Position at, SegmentBody& out) noexcept;

// The rest take a verified record.

RecordType type_of(const char* record) noexcept;
/// Sets all of `out` that its type has.
void decode(std::string_view record, RecordView& out) noexcept;
Lane lane_at(const char* record) noexcept;
/// Of a publish.
bool retain_at(const char* record) noexcept;
Position mark_durable(std::string_view record) noexcept;
std::uint16_t release_packet_id(std::string_view record) noexcept;
std::string_view release_client(std::string_view record) noexcept;
std::string_view forget_client(std::string_view record) noexcept;
inline std::string_view snapshot_body(std::string_view record) noexcept {
  return record.substr(header_size);
}

}  // namespace rowgate::storage::format
