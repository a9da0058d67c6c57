#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/cli/verbs.hpp"
#include "schema/base/time.hpp"
#include "schema/base/utf8.hpp"
#include "storage/journal/inspect.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::cli {
namespace {

using storage::InspectedRecord;
using storage::JournalState;
using storage::JournalSummary;
using storage::RecordType;

std::unique_ptr<os::Directory> open(const config::Config& config) {
  auto opened = os::open_existing_directory(config::journal_directory(config));
  if (opened.has_error()) {
    throw std::runtime_error("there is no journal to read: " + opened.error().message +
                             "; --data-dir names the gateway's data directory");
  }
  return std::move(*opened);
}

std::string number(std::uint64_t n) {
  return std::to_string(n);
}

/// "12 4 0": a count for each, in order.
std::string numbers(const auto& counts) {
  return fmt::format("{}", fmt::join(counts, " "));
}

void print_segments(const JournalSummary& summary, Format format, std::ostream& out) {
  storage::QueryResult rows;
  rows.columns = {"file", "first", "end", "file_bytes", "retained"};
  for (const storage::SegmentSummary& segment : summary.segments) {
    rows.rows.push_back({segment.file, number(segment.first.value), number(segment.end.value),
                         number(segment.file_bytes), std::string(segment.retained ? "1" : "0")});
  }
  print_rows(out, format, rows);
}

void print_summary(const JournalSummary& summary, Format format, std::ostream& out) {
  const auto records = [&](RecordType type) {
    return number(summary.records[static_cast<std::size_t>(type)]);
  };
  std::uint64_t disk = 0;
  for (const storage::SegmentSummary& segment : summary.segments) disk += segment.file_bytes;
  std::vector<std::pair<std::string, std::string>> record{
      {"state", std::string(to_string(summary.state))},
      {"id", summary.id},
      {"version", number(summary.version)},
      {"lanes", number(summary.lanes)},
      {"first", number(summary.first.value)},
      {"end", number(summary.end.value)},
      {"segments", number(summary.segments.size())},
      {"disk_bytes", number(disk)},
      {"retained_bytes", number(summary.retained_bytes)},
      {"retained_since", summary.retained_since ? to_iso8601(*summary.retained_since) : ""},
      {"commits", records(RecordType::mark)},
      {"publishes", records(RecordType::publish)},
      {"publishes_by_qos", numbers(summary.publishes_by_qos)},
      {"publishes_by_lane", numbers(summary.publishes_by_lane)},
      {"releases", records(RecordType::release)},
      {"forgets", records(RecordType::forget)},
      {"events", records(RecordType::event)},
      {"open_packet_ids", number(summary.open_ids.size())},
  };
  if (!summary.finding.empty()) record.emplace_back("finding", summary.finding);
  print_record(out, format, record);
}

Cell text_or_hex(std::string_view bytes) {
  if (is_utf8(bytes) && !has_nul(bytes)) return std::string(bytes);
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
  }
  return hex;
}

/// One row of `dump`; the columns a record type does not have are NULL.
std::vector<Cell> dump_row(const InspectedRecord& inspected) {
  const RecordType type = inspected.record.type;
  const bool publish = type == RecordType::publish;
  const bool client = publish || type == RecordType::release || type == RecordType::forget;
  const bool packet = type == RecordType::release || (publish && inspected.packet_id != 0);
  std::vector<Cell> row{number(inspected.record.position.value),
                        std::string(to_string(type)),
                        std::string(inspected.file),
                        number(inspected.offset),
                        number(inspected.bytes.size()),
                        client ? text_or_hex(inspected.client_id) : std::nullopt,
                        packet ? Cell(number(inspected.packet_id)) : std::nullopt};
  if (!publish) {
    row.resize(row.size() + 7);
    return row;
  }
  const storage::PublishRecord& record = inspected.record.publish;
  const bool text = is_utf8(record.payload) && !has_nul(record.payload);
  row.insert(row.end(),
             {number(record.lane.value), number(record.qos), std::string(record.retain ? "1" : "0"),
              to_iso8601(record.received_at), text_or_hex(record.topic),
              text_or_hex(record.payload), std::string(text ? "text" : "hex")});
  return row;
}

}  // namespace

int journal_info(const CommandLine& command, const config::Config& config, Streams streams) {
  const auto directory = open(config);
  const JournalSummary summary = storage::inspect_journal(*directory);
  if (summary.state == JournalState::empty) {
    throw std::runtime_error("there is no journal in " + directory->path());
  }
  if (command.journal.segments) {
    print_segments(summary, command.format, streams.out);
  } else {
    print_summary(summary, command.format, streams.out);
  }
  return 0;
}

int journal_verify(const CommandLine& command, const config::Config& config, Streams streams) {
  const auto directory = open(config);
  const JournalSummary summary = storage::inspect_journal(*directory);
  if (summary.state == JournalState::empty) {
    throw std::runtime_error("there is no journal in " + directory->path());
  }
  if (command.format == Format::table) {
    const auto publishes = summary.records[static_cast<std::size_t>(RecordType::publish)];
    streams.out << fmt::format("journal {}: {}, {} publishes in [{}, {})\n", directory->path(),
                               to_string(summary.state), publishes, summary.first.value,
                               summary.end.value);
    if (!summary.finding.empty()) streams.out << summary.finding << '\n';
  } else {
    print_record(streams.out, command.format,
                 {{"state", std::string(to_string(summary.state))},
                  {"first", number(summary.first.value)},
                  {"end", number(summary.end.value)},
                  {"damaged_file", summary.damaged_file},
                  {"damaged_offset", number(summary.damaged_offset)},
                  {"finding", summary.finding}});
  }
  return summary.state == JournalState::corrupt ? 1 : 0;
}

int journal_dump(const CommandLine& command, const config::Config& config, Streams streams) {
  const auto directory = open(config);
  std::uint64_t left = command.journal.limit;
  std::unique_ptr<RowStream> rows;
  if (command.format != Format::table) {
    rows = std::make_unique<RowStream>(
        streams.out, command.format,
        std::vector<std::string>{"position", "type", "file", "offset", "bytes", "client_id",
                                 "packet_id", "lane", "qos", "retain", "received_at", "topic",
                                 "payload", "encoding"});
  }
  const JournalSummary summary = storage::inspect_journal(
      *directory, {command.journal.from}, [&](const InspectedRecord& record) {
        if (left == 0) return false;
        --left;
        if (rows) {
          rows->row(dump_row(record));
        } else {
          streams.out << describe(record) << '\n';
        }
        return left > 0;
      });
  if (rows) rows->end();
  if (!summary.finding.empty()) streams.err << summary.finding << '\n';
  if (summary.state == JournalState::empty) {
    throw std::runtime_error("there is no journal in " + directory->path());
  }
  return summary.state == JournalState::corrupt ? 1 : 0;
}

}  // namespace rowgate::cli
