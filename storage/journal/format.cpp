#include "storage/journal/format.hpp"

#include <cstring>

#include "schema/base/bytes.hpp"
#include "storage/journal/crc32c.hpp"

namespace rowgate::storage::format {
namespace {

// Offsets in the header and in the bodies.
constexpr std::size_t crc_at = 4, position_at = 8, type_at = 16, flags_at = 17, lane_offset = 18;
constexpr std::size_t body_at = header_size;

constexpr std::uint8_t qos_bits = 0x03, retain_bit = 0x04;

/// The first eight bytes under the CRC: length, then type, flags, lane.
std::uint64_t head_word(const char* record) noexcept {
  return load_le<std::uint32_t>(record) |
         (static_cast<std::uint64_t>(load_le<std::uint32_t>(record + type_at)) << 32);
}

std::uint32_t crc_of(std::string_view record, Position at, std::uint32_t seed) noexcept {
  std::uint32_t crc = crc32c_extend_u64(seed, head_word(record.data()));
  crc = crc32c_extend(crc, record.data() + body_at, record.size() - body_at);
  return crc32c_extend_u64(crc, at.value);
}

void write_head(char* to, std::size_t size, RecordType type, std::uint8_t flags,
                Lane lane) noexcept {
  store_le(to, static_cast<std::uint32_t>(size));
  store_le(to + type_at, static_cast<std::uint8_t>(type));
  store_le(to + flags_at, flags);
  store_le(to + lane_offset, lane.value);
}

char* copy(char* to, std::string_view from) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
  return to + from.size();
}

bool snapshot_fits(std::string_view body) noexcept {
  Reader in(body);
  const auto clients = in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < clients && !in.failed(); ++i) {
    const auto client_size = in.le<std::uint16_t>();
    const auto ids = in.le<std::uint16_t>();
    in.view(client_size);
    in.view(std::size_t{ids} * 2);
  }
  return !in.failed() && in.remaining() == 0;
}

bool publish_fits(std::string_view body) noexcept {
  if (body.size() < publish_fixed_size) return false;
  const std::uint64_t strings = std::uint64_t{load_le<std::uint16_t>(body.data() + 10)} +
                                load_le<std::uint16_t>(body.data() + 12) +
                                load_le<std::uint32_t>(body.data() + 16);
  return strings <= body.size() - publish_fixed_size;
}

bool shape_fits(std::string_view record) noexcept {
  const std::string_view body = record.substr(body_at);
  switch (type_of(record.data())) {
    case RecordType::segment:
      return record.size() == segment_size && body.substr(0, magic.size()) == magic;
    case RecordType::mark:
      return record.size() == mark_size;
    case RecordType::snapshot:
      return snapshot_fits(body);
    case RecordType::publish:
      return publish_fits(body);
    case RecordType::release:
      return body.size() >= 2;
    case RecordType::forget:
    case RecordType::event:
      return true;
  }
  return false;
}

}  // namespace

std::string to_hex(const JournalId& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : id) {
    out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(digits[static_cast<unsigned char>(c) & 15U]);
  }
  return out;
}

std::uint32_t seed_of(const JournalId& id) noexcept {
  return crc32c_extend(~std::uint32_t{0}, id.data(), id.size());
}

void prepare(const PublishRecord& r, std::uint32_t seed, PreparedPublish& out) noexcept {
  out.size = publish_size(r);
  char* to = out.fixed.data();
  const auto flags = static_cast<std::uint8_t>((r.qos & qos_bits) | (r.retain ? retain_bit : 0));
  write_head(to, out.size, RecordType::publish, flags, r.lane);
  char* body = to + body_at;
  store_le(body, r.received_at.micros);
  store_le(body + 8, r.packet_id);
  store_le(body + 10, static_cast<std::uint16_t>(r.client_id.size()));
  store_le(body + 12, static_cast<std::uint16_t>(r.topic.size()));
  store_le(body + 14, std::uint16_t{0});
  store_le(body + 16, static_cast<std::uint32_t>(r.properties.size()));
  const std::string_view runs[] = {
      {body, publish_fixed_size}, r.client_id, r.topic, r.properties, r.payload};
  out.crc = crc32c_extend_runs(crc32c_extend_u64(seed, head_word(to)), runs, std::size(runs));
}

void place(const PublishRecord& r, const PreparedPublish& prepared, Position at,
           char* to) noexcept {
  std::memcpy(to, prepared.fixed.data(), prepared.fixed.size());
  store_le(to + crc_at, crc32c_extend_u64(prepared.crc, at.value));
  store_le(to + position_at, at.value);
  to = copy(to + prepared.fixed.size(), r.client_id);
  to = copy(to, r.topic);
  to = copy(to, r.properties);
  copy(to, r.payload);
}

void seal(RecordType type, std::size_t size, std::uint32_t seed, Position at,
          char* record) noexcept {
  write_head(record, size, type, 0, Lane{});
  store_le(record + crc_at, crc_of({record, size}, at, seed));
  store_le(record + position_at, at.value);
}

void write_segment(const SegmentBody& body, Position at, char* to) noexcept {
  char* p = copy(to + body_at, magic);
  store_le(p, body.version);
  store_le(p + 2, body.lanes);
  store_le(p + 4, std::uint32_t{0});
  std::memcpy(p + 8, body.id.data(), body.id.size());
  seal(RecordType::segment, segment_size, seed_of(body.id), at, to);
}

void write_mark(Position durable, std::uint32_t seed, Position at, char* to) noexcept {
  store_le(to + body_at, durable.value);
  seal(RecordType::mark, mark_size, seed, at, to);
}

void write_release(std::string_view client_id, std::uint16_t packet_id, std::uint32_t seed,
                   Position at, char* to) noexcept {
  store_le(to + body_at, packet_id);
  copy(to + body_at + 2, client_id);
  seal(RecordType::release, release_size(client_id), seed, at, to);
}

void write_forget(std::string_view client_id, std::uint32_t seed, Position at, char* to) noexcept {
  copy(to + body_at, client_id);
  seal(RecordType::forget, forget_size(client_id), seed, at, to);
}

void write_event(std::string_view event, std::uint32_t seed, Position at, char* to) noexcept {
  copy(to + body_at, event);
  seal(RecordType::event, event_size(event), seed, at, to);
}

std::uint32_t length_at(const char* p) noexcept {
  return load_le<std::uint32_t>(p);
}

bool verify(std::string_view record, Position at, std::uint32_t seed) noexcept {
  return record.size() >= header_size && length_at(record.data()) == record.size() &&
         load_le<std::uint64_t>(record.data() + position_at) == at.value &&
         load_le<std::uint32_t>(record.data() + crc_at) == crc_of(record, at, seed) &&
         shape_fits(record);
}

bool read_segment(std::string_view bytes, Position at, SegmentBody& out) noexcept {
  if (bytes.size() < segment_size) return false;
  const char* body = bytes.data() + body_at;
  out.version = load_le<std::uint16_t>(body + 8);
  out.lanes = load_le<std::uint16_t>(body + 10);
  std::memcpy(out.id.data(), body + 16, out.id.size());
  const std::string_view record = bytes.substr(0, segment_size);
  return verify(record, at, seed_of(out.id)) && type_of(record.data()) == RecordType::segment;
}

RecordType type_of(const char* record) noexcept {
  return static_cast<RecordType>(static_cast<std::uint8_t>(record[type_at]));
}

Lane lane_at(const char* record) noexcept {
  return {load_le<std::uint16_t>(record + lane_offset)};
}

bool retain_at(const char* record) noexcept {
  return (static_cast<std::uint8_t>(record[flags_at]) & retain_bit) != 0;
}

void decode(std::string_view record, RecordView& out) noexcept {
  const char* p = record.data();
  out.type = type_of(p);
  out.position = {load_le<std::uint64_t>(p + position_at)};
  out.end = {out.position.value + record.size()};
  out.publish = {};
  out.event = out.type == RecordType::event ? record.substr(body_at) : std::string_view{};
  if (out.type != RecordType::publish) return;
  const char* body = p + body_at;
  const std::size_t client = load_le<std::uint16_t>(body + 10);
  const std::size_t topic = load_le<std::uint16_t>(body + 12);
  const std::size_t properties = load_le<std::uint32_t>(body + 16);
  const auto flags = static_cast<std::uint8_t>(p[flags_at]);
  const char* strings = body + publish_fixed_size;
  out.publish.received_at = {load_le<std::int64_t>(body)};
  out.publish.packet_id = load_le<std::uint16_t>(body + 8);
  out.publish.lane = lane_at(p);
  out.publish.qos = flags & qos_bits;
  out.publish.retain = retain_at(p);
  out.publish.client_id = {strings, client};
  out.publish.topic = {strings + client, topic};
  out.publish.properties = {strings + client + topic, properties};
  const char* payload = strings + client + topic + properties;
  out.publish.payload = {payload, static_cast<std::size_t>(p + record.size() - payload)};
}

Position mark_durable(std::string_view record) noexcept {
  return {load_le<std::uint64_t>(record.data() + body_at)};
}
std::uint16_t release_packet_id(std::string_view record) noexcept {
  return load_le<std::uint16_t>(record.data() + body_at);
}
std::string_view release_client(std::string_view record) noexcept {
  return record.substr(body_at + 2);
}
std::string_view forget_client(std::string_view record) noexcept {
  return record.substr(body_at);
}

}  // namespace rowgate::storage::format
