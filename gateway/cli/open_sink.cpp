#include "gateway/cli/open_sink.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "storage/sink/postgres/mapping_history.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/mapping_history.hpp"
#include "storage/sink/sqlite/sink.hpp"

namespace rowgate::cli {
namespace {

using storage::sqlite::Synchronous;

constexpr std::string_view sqlite = "sqlite:";

Synchronous synchronous_of(std::string_view word) {
  if (word == "full") return Synchronous::full;
  if (word == "normal") return Synchronous::normal;
  throw std::invalid_argument(
      fmt::format("SQLite's synchronous is '{}': write \"full\" or \"normal\"", word));
}

}  // namespace

std::unique_ptr<storage::Sink> open_sink(const storage::SinkOptions& options) {
  const std::string_view url = options.url;
  if (url.starts_with(sqlite)) {
    std::string file(url.substr(sqlite.size()));
    if (file.empty())
      throw std::invalid_argument("the sink URL 'sqlite:' names no file: write sqlite:FILE");
    if (file == ":memory:" || file.starts_with("file:"))
      throw std::invalid_argument(fmt::format(
          "the sink URL '{}' is not a file that outlives the gateway: write sqlite:FILE", url));
    return storage::sqlite::make_sink(std::move(file), synchronous_of(options.sqlite_synchronous));
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
    return storage::postgres::make_sink(options.url);
  // What is not a URL we know may be a mistyped one with a password in it.
  throw std::invalid_argument(
      fmt::format("the sink URL '{}' is not known: write sqlite:FILE or "
                  "postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
                  storage::postgres::without_secrets(options.url)));
}

std::unique_ptr<storage::MappingHistory> open_mapping_history(const storage::SinkOptions& options,
                                                              std::string gateway) {
  if (options.url.starts_with(sqlite)) {
    return storage::sqlite::make_mapping_history(options.url.substr(sqlite.size()),
                                                 std::move(gateway));
  }
  return storage::postgres::make_mapping_history(options.url, std::move(gateway));
}

}  // namespace rowgate::cli
