#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/open_sink.hpp"
#include "gateway/cli/verbs.hpp"
#include "schema/mapper.hpp"

namespace rowgate::cli {
namespace {

std::string counted(std::size_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

/// Whether the table can be made to fit; prints how, or why not.
bool check_table(storage::Sink& sink, const schema::Table& table, Streams streams) {
  const auto plan = sink.plan(table);
  if (plan.has_error()) {
    const storage::SinkError& error = plan.error();
    if (error.outcome != storage::CommitOutcome::row_rejected) {
      throw std::runtime_error(error.message);  // the database itself: no use to go on
    }
    streams.err << "table " << table.name << ": does not fit\n";
    for (const std::string& misfit : error.misfits) streams.err << "  " << misfit << '\n';
    if (error.misfits.empty()) streams.err << "  " << error.message << '\n';
    return false;
  }
  if (plan->statements.empty()) {
    streams.out << "table " << table.name << ": fits as it is\n";
  } else {
    streams.out << "table " << table.name << ": would run\n";
  }
  for (const std::string& statement : plan->statements) {
    const bool ended = statement.ends_with(';');
    streams.out << "  " << statement << (ended ? "\n" : ";\n");
  }
  for (const std::string& note : plan->notes) streams.out << "  note: " << note << '\n';
  return true;
}

/// What a mapping file asks for beyond rows.
void say_duties(const schema::Catalog& catalog, Streams streams) {
  for (const schema::Mapping& mapping : catalog.mappings) {
    if (mapping.reject) {
      streams.out << "mapping " << mapping.name
                  << ": refuses on arrival what does not fit (0x99)\n";
    }
    if (mapping.presence) {
      streams.out << "mapping " << mapping.name << ": takes connects and disconnects of clients\n";
    }
  }
}

}  // namespace

int check(const CommandLine& command, const config::Config& config, Streams streams) {
  streams.out << "configuration: "
              << (command.config_file.empty() ? "no file; defaults, environment and flags"
                                              : command.config_file)
              << ": ok\n";
  const auto catalog = load_catalog(config.mapping, 1);
  if (config.mapping.empty()) {
    streams.out << "mapping: built in; every message goes to table telemetry\n";
  } else {
    streams.out << fmt::format("mapping: {}: ok, {} into {}\n", config.mapping,
                               counted(catalog->mappings.size(), "mapping", "mappings"),
                               counted(catalog->tables.size(), "table", "tables"));
    say_duties(*catalog, streams);
  }
  if (command.check.offline) {
    streams.out << "sink: not asked (--offline)\n";
    return 0;
  }
  const std::string url =
      command.check.against.empty() ? config::sink_url(config) : command.check.against;
  const auto sink = open_sink({url, config.sqlite.synchronous});
  streams.out << "sink: " << sink->describe() << '\n';
  bool fits = true;
  for (const schema::Table& table : catalog->tables) {
    fits = check_table(*sink, table, streams) && fits;
  }
  fits = check_table(*sink, schema::dead_letter_table(), streams) && fits;
  if (config.drain.unmapped == config::Unmapped::store) {
    fits = check_table(*sink, schema::unmapped_table(), streams) && fits;
  }
  return fits ? 0 : 1;
}

}  // namespace rowgate::cli
