#include "storage/journal/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "schema/base/bytes.hpp"
#include "storage/journal/recovery.hpp"

namespace rowgate::storage {
namespace {

constexpr std::size_t bytes_shown = 64;

/// Printable ASCII as it is, everything else as \xNN.
std::string escaped(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c >= ' ' && c <= '~') {
      out.push_back(c);
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// Quoted, "..." where it was cut.
std::string excerpt(std::string_view bytes) {
  return fmt::format("\"{}\"{}", escaped(bytes.substr(0, bytes_shown)),
                     bytes.size() > bytes_shown ? "..." : "");
}

std::uint64_t snapshot_ids(std::string_view record) {
  OpenIds ids;
  ids.read_snapshot(format::snapshot_body(record));
  std::uint64_t n = 0;
  ids.each([&](std::string_view, std::uint16_t) { ++n; });
  return n;
}

InspectedRecord inspected(const RecoveredSegment& segment, std::string_view bytes) {
  InspectedRecord out;
  out.file = segment.file;
  out.bytes = bytes;
  format::decode(bytes, out.record);
  out.offset = out.record.position.value - segment.base.value;
  switch (out.record.type) {
    case RecordType::segment:
    case RecordType::event:
      break;
    case RecordType::mark:
      out.durable = format::mark_durable(bytes);
      break;
    case RecordType::snapshot:
      out.snapshot_ids = snapshot_ids(bytes);
      break;
    case RecordType::publish:
      out.client_id = out.record.publish.client_id;
      out.packet_id = out.record.publish.packet_id;
      break;
    case RecordType::release:
      out.client_id = format::release_client(bytes);
      out.packet_id = format::release_packet_id(bytes);
      break;
    case RecordType::forget:
      out.client_id = format::forget_client(bytes);
      break;
  }
  return out;
}

std::string describe_publish(const PublishRecord& p) {
  std::string line = fmt::format(
      "qos {}{} lane {} client \"{}\" id {} topic \"{}\" at {}", p.qos, p.retain ? " retain" : "",
      p.lane.value, escaped(p.client_id), p.packet_id, escaped(p.topic),
      in_range(p.received_at) ? to_iso8601(p.received_at) : std::to_string(p.received_at.micros));
  if (!p.properties.empty()) line += fmt::format(" properties {} bytes", p.properties.size());
  line += fmt::format(" payload {} bytes {}", p.payload.size(), excerpt(p.payload));
  return line;
}

std::string describe_segment(std::string_view bytes, Position at) {
  format::SegmentBody body;
  if (!format::read_segment(bytes, at, body)) return "unreadable";
  return fmt::format("version {} lanes {} journal {}", body.version, body.lanes,
                     format::to_hex(body.id));
}

}  // namespace

std::string_view to_string(RecordType type) noexcept {
  switch (type) {
    case RecordType::segment:
      return "segment";
    case RecordType::mark:
      return "mark";
    case RecordType::snapshot:
      return "snapshot";
    case RecordType::publish:
      return "publish";
    case RecordType::release:
      return "release";
    case RecordType::forget:
      return "forget";
    case RecordType::event:
      return "event";
  }
  return "unknown";
}

std::string_view to_string(JournalState state) noexcept {
  switch (state) {
    case JournalState::sound:
      return "sound";
    case JournalState::torn_tail:
      return "torn tail";
    case JournalState::corrupt:
      return "corrupt";
    case JournalState::empty:
      return "empty";
  }
  return "unknown";
}

std::string describe(const InspectedRecord& r) {
  std::string line =
      fmt::format("{:>12} {:<8} ", r.record.position.value, to_string(r.record.type));
  switch (r.record.type) {
    case RecordType::segment:
      return line + describe_segment(r.bytes, r.record.position);
    case RecordType::mark:
      return line + fmt::format("durable {}", r.durable.value);
    case RecordType::snapshot:
      return line + fmt::format("open packet ids {}", r.snapshot_ids);
    case RecordType::publish:
      return line + describe_publish(r.record.publish);
    case RecordType::release:
      return line + fmt::format("client \"{}\" id {}", escaped(r.client_id), r.packet_id);
    case RecordType::forget:
      return line + fmt::format("client \"{}\"", escaped(r.client_id));
    case RecordType::event:
      return line + fmt::format("{} bytes {}", r.record.event.size(), excerpt(r.record.event));
  }
  return line;
}

JournalSummary inspect_journal(os::Directory& directory, Position from,
                               const std::function<bool(const InspectedRecord&)>& visit) {
  JournalSummary out;
  bool visiting = static_cast<bool>(visit);
  const Recovered found =
      recover(directory, [&](const RecoveredSegment& segment, std::string_view bytes) {
        if (format::type_of(bytes.data()) == RecordType::publish) {
          RecordView view;
          format::decode(bytes, view);
          if (view.publish.qos < out.publishes_by_qos.size()) {
            ++out.publishes_by_qos[view.publish.qos];
          }
        }
        if (!visiting) return;
        const InspectedRecord record = inspected(segment, bytes);
        if (record.record.position >= from) visiting = visit(record);
      });
  out.state = found.state;
  out.finding = found.finding;
  out.damaged_file = found.damaged_file;
  out.damaged_offset = found.damaged_at.value - found.damaged_base.value;
  out.damaged_at = found.damaged_at;
  out.records = found.records;
  found.open_ids.each([&](std::string_view client, std::uint16_t id) {
    out.open_ids.push_back({std::string(client), id});
  });
  std::sort(out.open_ids.begin(), out.open_ids.end());
  if (found.segments.empty()) return out;

  out.id = format::to_hex(found.id);
  out.version = found.version;
  out.lanes = found.lanes;
  out.first = found.segments.front().base;
  out.end = found.segments.back().end;
  out.publishes_by_lane.resize(found.lanes);
  for (const RecoveredSegment& segment : found.segments) {
    const bool active = &segment == &found.segments.back();
    const bool retained = !active && segment.end <= found.trimmed;
    out.segments.push_back({segment.file, segment.base, segment.end, segment.file_bytes, retained});
    if (retained) {
      out.retained_bytes += segment.file_bytes;
      if (!out.retained_since) out.retained_since = segment.oldest;
    }
    for (std::size_t lane = 0; lane < segment.publishes.size(); ++lane) {
      if (out.publishes_by_lane.size() <= lane) out.publishes_by_lane.resize(lane + 1);
      out.publishes_by_lane[lane] += segment.publishes[lane];
    }
  }
  return out;
}

}  // namespace rowgate::storage
