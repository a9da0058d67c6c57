// rowgate deadletter ... and rowgate unmapped ...: list, show, replay, purge.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/open_sink.hpp"
#include "gateway/cli/text.hpp"
#include "gateway/cli/verbs.hpp"
#include "gateway/config/units.hpp"
#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/payload_text.hpp"
#include "storage/os/clock.hpp"
#include "storage/replay/replay.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::cli {
namespace {

using storage::Kept;
using storage::KeptMessage;

constexpr std::uint64_t default_list = 50;

Kept kept_of(const CommandLine& command) {
  return command.kept.unmapped ? Kept::unmapped : Kept::dead_letters;
}

std::unique_ptr<storage::Sink> sink_of(const config::Config& config) {
  return open_sink({config::sink_url(config), config.sqlite.synchronous});
}

/// The value, or the exception that its error is for a person.
template <class T>
T value_of(storage::SinkResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

/// "2026-11-21T07:00:00Z", or "2 h": so long ago.
std::optional<Timestamp> time_of(const char* flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (const auto time = parse_iso8601(text)) return time;
  if (const auto ago = config::parse_duration(text))
    return Timestamp{os::system_clock().now().micros - ago->count()};
  throw config::ConfigError(fmt::format(
      "{} '{}' is no time: write 2026-11-21T07:00:00Z, or how long ago: 90 min, 2 h, 7 d", flag,
      text));
}

storage::KeptFilter filter_of(const CommandLine& command) {
  const auto& kept = command.kept;
  if (const auto wrong = storage::wrong_topic_filter(kept.topic))
    throw config::ConfigError(fmt::format("--topic '{}': {}", kept.topic, *wrong));
  storage::KeptFilter filter;
  filter.mapping = kept.mapping;
  filter.topic = kept.topic;
  filter.since = time_of("--since", kept.since);
  filter.until = time_of("--until", kept.until);
  return filter;
}

std::string payload_shown(const KeptMessage& message) {
  schema::Arena arena;
  std::string text(schema::payload_text(message.payload, arena).text);
  if (message.cut) text += "...";
  return text;
}

bool is_text(const KeptMessage& message) {
  return is_utf8(message.payload) && !has_nul(message.payload);
}

using Record = std::vector<std::pair<std::string, std::string>>;

Record record_of(const KeptMessage& message, Kept kept) {
  Record record = {{"id", std::to_string(message.id)},
                   {"received_at", to_iso8601(message.received_at)},
                   {"topic", message.topic},
                   {"client_id", message.client_id},
                   {"qos", std::to_string(message.qos)},
                   {"retain", message.retain ? "true" : "false"},
                   {"position", std::to_string(message.position)}};
  if (kept == Kept::dead_letters) {
    record.emplace_back("mapping", message.mapping);
    record.emplace_back("reason", message.reason);
  }
  record.emplace_back("payload", payload_shown(message));
  record.emplace_back("encoding", is_text(message) ? "text" : "hex");
  return record;
}

/// What today's mapping makes of the message, line by line safe for a terminal.
std::string explained(const KeptMessage& message, Kept kept, const config::Config& config,
                      storage::Dialect dialect) {
  const auto rows = schema::parse_rows(message.rows);
  const schema::Only only{message.mapping, rows ? std::span<const schema::RowRange>(*rows)
                                                : std::span<const schema::RowRange>()};
  schema::Explain how;
  if (kept == Kept::dead_letters) how.only = &only;
  how.sql = [dialect](const schema::RowBatch& batch, std::size_t row) {
    return storage::insert_text(dialect, batch, row);
  };
  return schema::explain(load_catalog(config.mapping, 1), message.message(), how);
}

void print_lines(std::ostream& out, std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string line;
    append_printable(line, text.substr(0, end));
    out << line << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string reasons_text(const std::map<std::string, std::uint64_t>& reasons) {
  std::string text;
  for (const auto& [reason, times] : reasons)
    text += fmt::format("{}{} x {}", text.empty() ? "" : "\n", times, reason);
  return text;
}

}  // namespace

int kept_list(const CommandLine& command, const config::Config& config, Streams streams) {
  const auto filter = filter_of(command);
  const auto sink = sink_of(config);
  const Kept kept = kept_of(command);
  const std::uint64_t limit = command.kept.limit > 0 ? command.kept.limit : default_list;
  const auto messages = value_of(storage::list_kept(*sink, kept, filter, limit));
  // On a terminal what tells one from another; everything for programs.
  const bool table = command.format == Format::table;
  std::vector<std::string> columns = {"id", "received_at", "topic", "client_id"};
  if (!table) columns.insert(columns.end(), {"qos", "retain", "position"});
  if (kept == Kept::dead_letters) columns.insert(columns.end(), {"mapping", "reason"});
  if (!table || kept == Kept::unmapped) columns.emplace_back("payload");
  if (!table) columns.emplace_back("encoding");
  storage::QueryResult rows{columns, {}};
  for (const KeptMessage& message : messages) {
    auto& row = rows.rows.emplace_back();
    for (auto& [name, value] : record_of(message, kept))
      if (std::find(columns.begin(), columns.end(), name) != columns.end())
        row.emplace_back(std::move(value));
  }
  print_rows(streams.out, command.format, rows);
  return 0;
}

int kept_show(const CommandLine& command, const config::Config& config, Streams streams) {
  const auto sink = sink_of(config);
  const Kept kept = kept_of(command);
  const auto message = value_of(storage::find_kept(*sink, kept, command.kept.id));
  if (!message)
    throw std::runtime_error(
        fmt::format("there is no {} {}: it was replayed or purged, or has another id since its "
                    "reason changed",
                    kept == Kept::unmapped ? "unmapped message" : "dead letter", command.kept.id));
  Record record = record_of(*message, kept);
  if (kept == Kept::dead_letters)
    record.emplace_back("rows", message->rows.empty() ? "all" : message->rows);
  std::string properties;
  for (const auto& [name, value] : schema::user_properties(message->properties))
    properties += fmt::format("{}{}={}", properties.empty() ? "" : "\n", name, value);
  record.emplace_back("user_properties", properties);
  const std::string today = explained(*message, kept, config, sink->dialect());
  if (command.format != Format::table) record.emplace_back("today", today);
  print_record(streams.out, command.format, record);
  if (command.format != Format::table) return 0;
  streams.out << "\nToday:\n";
  print_lines(streams.out, today);
  return 0;
}

int kept_replay(const CommandLine& command, const config::Config& config, Streams streams) {
  storage::ReplayOptions options;
  options.kept = kept_of(command);
  options.filter = filter_of(command);
  options.instead = command.kept.to;
  options.dry_run = command.kept.dry_run;
  if (command.kept.limit > 0) options.limit = command.kept.limit;
  const auto catalog = load_catalog(config.mapping, 1);
  if (!options.instead.empty() && std::ranges::none_of(catalog->mappings, [&](const auto& m) {
        return m.name == options.instead;
      }))
    throw config::ConfigError(
        fmt::format("--to '{}': the mapping file has no mapping of that name", options.instead));
  const auto sink = sink_of(config);
  const auto report = value_of(storage::replay(*sink, catalog, options));
  for (const std::string& warning : report.warnings) streams.err << warning << '\n';
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  Record record = {{"messages", number(report.messages)}, {"stored", number(report.stored)},
                   {"partly", number(report.partly)},     {"refused", number(report.refused)},
                   {"untaken", number(report.untaken)},   {"gone", number(report.gone)},
                   {"rows", number(report.rows)}};
  const bool table = command.format == Format::table;
  if (!table) record.emplace_back("reasons", reasons_text(report.reasons));
  print_record(streams.out, command.format, record);
  if (table && !report.reasons.empty()) {
    streams.out << "\nNot stored, or not whole, because:\n";
    print_lines(streams.out, reasons_text(report.reasons));
  }
  if (table && options.dry_run)
    streams.out << "\nNothing was changed. The database may still refuse a row.\n";
  return 0;
}

int kept_purge(const CommandLine& command, const config::Config& config, Streams streams) {
  storage::PurgeOptions options;
  options.kept = kept_of(command);
  options.filter = filter_of(command);
  options.dry_run = command.kept.dry_run;
  if (command.kept.limit > 0) options.limit = command.kept.limit;
  if (options.filter.all() && command.kept.limit == 0 && !command.kept.all && !options.dry_run)
    throw config::ConfigError("this would delete all of them: say --all, or give a filter");
  const auto sink = sink_of(config);
  const auto report = value_of(storage::purge(*sink, options));
  print_record(streams.out, command.format,
               {{options.dry_run ? "would_delete" : "deleted", std::to_string(report.messages)}});
  return 0;
}

}  // namespace rowgate::cli
