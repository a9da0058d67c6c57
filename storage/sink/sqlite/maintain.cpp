// What a table needs as time goes by: the maintenance side of lane.hpp. One small transaction a
// step, so that no batch waits long behind it.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>

#include "storage/sink/sqlite/lane.hpp"

namespace rowgate::storage::sqlite {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What a step should take.
constexpr milliseconds step_time{5};
constexpr std::int64_t fewest_rows = 50;
constexpr std::int64_t most_rows = 20'000;
/// Free pages that stay for the rows to come: so many, or a tenth of the file.
constexpr std::int64_t spare_pages = 256;
constexpr const char* free_pages = "PRAGMA incremental_vacuum(128)";

}  // namespace

SinkResult<Maintained> SqliteLane::maintain(const schema::Table& table, Timestamp now) {
  if (!connection_) return SinkError{CommitOutcome::retry, "the database is not open"};
  if (!targets_.contains(table.name))
    if (const auto made = ensure(table); !made) return made.error();
  Maintained done;
  if (!table.storage.retention) return done;
  const Timestamp before{
      std::max(now.micros - std::chrono::microseconds(*table.storage.retention).count(),
               min_timestamp.micros)};
  const auto deleted = delete_some(table, before);
  if (!deleted) return deleted.error();
  done.rows = *deleted;
  done.more = *deleted > 0;
  if (done.more) return done;
  const auto shrunk = shrink();
  if (!shrunk) return shrunk.error();
  done.more = *shrunk;
  return done;
}

SinkResult<std::uint64_t> SqliteLane::delete_some(const schema::Table& table, Timestamp before) {
  const auto began = steady_clock::now();
  auto statement = Statement::prepare(*connection_, delete_older(table));
  if (!statement) return statement.error();
  const std::string time = to_iso8601(before);
  statement->bind_text(1, time);
  statement->bind(2, rows_a_step_);
  // Alone in its transaction; without a row to delete it writes nothing.
  if (const int code = statement->execute(); code != SQLITE_DONE)
    return connection_->error(code, fmt::format("delete old rows of {}", table.name));
  const auto took = steady_clock::now() - began;
  if (took > 2 * step_time)
    rows_a_step_ = std::max(rows_a_step_ / 2, fewest_rows);
  else if (took < step_time)
    rows_a_step_ = std::min(rows_a_step_ * 2, most_rows);
  return static_cast<std::uint64_t>(connection_->changes());
}

SinkResult<bool> SqliteLane::shrink() {
  const auto unused = pragma("PRAGMA freelist_count");
  const auto pages = pragma("PRAGMA page_count");
  const auto mode = pragma("PRAGMA auto_vacuum");
  if (!unused || !pages || !mode) return (unused ? (pages ? mode : pages) : unused).error();
  constexpr std::int64_t incremental = 2;  // a file that was made otherwise stays as large as it is
  if (*mode != incremental || *unused <= std::max(spare_pages, *pages / 10)) return false;
  if (const auto done = connection_->run(free_pages); !done) return done.error();
  return true;
}

SinkResult<std::int64_t> SqliteLane::pragma(const char* name) {
  auto statement = Statement::prepare(*connection_, name);
  if (!statement) return statement.error();
  if (const int code = statement->step(); code != SQLITE_ROW) return connection_->error(code, name);
  return statement->integer(0);
}

}  // namespace rowgate::storage::sqlite
