#include <iterator>
#include <stdexcept>
#include <string>

#include "gateway/cli/open_sink.hpp"
#include "gateway/cli/verbs.hpp"

namespace rowgate::cli {

int query(const CommandLine& command, const config::Config& config, Streams streams) {
  std::string sql = command.query.sql;
  if (sql == "-") {
    sql.assign(std::istreambuf_iterator<char>(streams.in), std::istreambuf_iterator<char>());
  }
  const auto sink = open_sink({config::sink_url(config), config.sqlite.synchronous});
  const auto rows = sink->query(sql);
  if (rows.has_error()) throw std::runtime_error(rows.error().message);
  print_rows(streams.out, command.format, *rows);
  return 0;
}

}  // namespace rowgate::cli
