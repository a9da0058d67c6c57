#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <stdexcept>

#include "bench/ceiling/ceiling.hpp"

namespace rowgate::ceiling {

namespace {

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

void run(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw std::runtime_error(fmt::format("SQLite: {}: {}", sql, sqlite3_errmsg(db)));
  }
}

void remove_files(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

std::string iso8601(std::int64_t us) {
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     us % 1'000'000);
}

/// Rows a second, commits included.
double insert_rate(const std::string& path, std::size_t rows, bool text_time) {
  remove_files(path);
  sqlite3* raw = nullptr;
  const int rc =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  const Database db(raw);
  if (rc != SQLITE_OK) throw std::runtime_error("SQLite: cannot open " + path);
  for (const char* pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                             "PRAGMA wal_autocheckpoint = 4000", "PRAGMA cache_size = -32768"}) {
    run(raw, pragma);
  }
  run(raw, text_time
               ? "CREATE TABLE climate(ts TEXT, device TEXT, temperature REAL, humidity REAL, "
                 "pressure REAL, battery REAL, seq INTEGER)"
               : "CREATE TABLE climate(ts INTEGER, device TEXT, temperature REAL, humidity REAL, "
                 "pressure REAL, battery REAL, seq INTEGER)");
  sqlite3_stmt* raw_statement = nullptr;
  sqlite3_prepare_v2(raw, "INSERT INTO climate VALUES(?,?,?,?,?,?,?)", -1, &raw_statement, nullptr);
  const Statement statement(raw_statement);

  const std::vector<Row> batch = make_rows(batch_rows);
  std::vector<std::string> times;
  for (const Row& row : batch) times.push_back(iso8601(row.ts_us));
  const Stopwatch watch;
  std::size_t done = 0;
  while (done < rows) {
    run(raw, "BEGIN IMMEDIATE");
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Row& row = batch[i];
      if (text_time) {
        sqlite3_bind_text(raw_statement, 1, times[i].data(), static_cast<int>(times[i].size()),
                          SQLITE_STATIC);
      } else {
        sqlite3_bind_int64(raw_statement, 1, row.ts_us);
      }
      sqlite3_bind_text(raw_statement, 2, row.device.data(), static_cast<int>(row.device.size()),
                        SQLITE_STATIC);
      sqlite3_bind_double(raw_statement, 3, row.temperature);
      sqlite3_bind_double(raw_statement, 4, row.humidity);
      sqlite3_bind_double(raw_statement, 5, row.pressure);
      sqlite3_bind_double(raw_statement, 6, row.battery);
      sqlite3_bind_int64(raw_statement, 7, row.seq);
      if (sqlite3_step(raw_statement) != SQLITE_DONE) {
        throw std::runtime_error(fmt::format("SQLite: insert: {}", sqlite3_errmsg(raw)));
      }
      sqlite3_reset(raw_statement);
    }
    run(raw, "COMMIT");
    done += batch.size();
  }
  return static_cast<double>(done) / watch.seconds();
}

}  // namespace

void measure_sqlite(const std::string& directory, std::size_t rows, Figures& figures) {
  const std::string path = directory + "/rowgate_ceiling.db";
  for (const bool text_time : {false, true}) {
    const double cpu = process_cpu_seconds();
    const double rate = insert_rate(path, rows, text_time);
    const double used = process_cpu_seconds() - cpu;
    const std::string name = text_time ? "sqlite.text_time" : "sqlite.integer_time";
    figures.push_back({name + ".rows_per_second", rate});
    figures.push_back({name + ".cpu_us_per_row", used * 1e6 / static_cast<double>(rows)});
  }
  remove_files(path);
}

}  // namespace rowgate::ceiling
