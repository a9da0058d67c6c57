#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <bit>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "bench/ceiling/ceiling.hpp"

namespace rowgate::ceiling {

namespace {

struct CloseConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, CloseConnection>;
using QueryResult = std::unique_ptr<PGresult, ClearResult>;

void expect(PGconn* connection, const QueryResult& result, ExecStatusType wanted) {
  if (PQresultStatus(result.get()) != wanted) {
    throw std::runtime_error(fmt::format("PostgreSQL: {}", PQerrorMessage(connection)));
  }
}

void run(PGconn* connection, const char* sql) {
  expect(connection, QueryResult(PQexec(connection, sql)), PGRES_COMMAND_OK);
}

template <typename T>
void append_be(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
  }
}

void append_int64(std::string& out, std::int64_t value) {
  append_be(out, std::int32_t{8});
  append_be(out, value);
}

void append_double(std::string& out, double value) {
  append_int64(out, std::bit_cast<std::int64_t>(value));
}

/// One COPY BINARY stream, header and trailer included.
std::string encode(const std::vector<Row>& rows) {
  constexpr std::int64_t postgres_epoch_us = 946'684'800'000'000;  // 2000-01-01 in unix time
  std::string out("PGCOPY\n\377\r\n\0", 11);
  append_be(out, std::int32_t{0});  // flags
  append_be(out, std::int32_t{0});  // header extension
  for (const Row& row : rows) {
    append_be(out, std::int16_t{7});
    append_int64(out, row.ts_us - postgres_epoch_us);
    append_be(out, static_cast<std::int32_t>(row.device.size()));
    out += row.device;
    append_double(out, row.temperature);
    append_double(out, row.humidity);
    append_double(out, row.pressure);
    append_double(out, row.battery);
    append_int64(out, row.seq);
  }
  append_be(out, std::int16_t{-1});
  return out;
}

/// CPU seconds of a process on this machine, from /proc; 0 where there is none.
double cpu_seconds_of(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return 0;
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void measure_case(PGconn* connection, const std::string& bytes, std::size_t rows,
                  const std::string& name, const char* index, Figures& figures) {
  run(connection, "DROP TABLE IF EXISTS rowgate_ceiling");
  run(connection,
      "CREATE TABLE rowgate_ceiling(ts timestamptz, device text, temperature double precision, "
      "humidity double precision, pressure double precision, battery double precision, seq "
      "bigint)");
  if (index != nullptr) run(connection, index);
  const double cpu = cpu_seconds_of(PQbackendPID(connection));
  const Stopwatch watch;
  std::size_t done = 0;
  while (done < rows) {
    run(connection, "BEGIN");
    expect(connection,
           QueryResult(PQexec(connection, "COPY rowgate_ceiling FROM STDIN (FORMAT binary)")),
           PGRES_COPY_IN);
    if (PQputCopyData(connection, bytes.data(), static_cast<int>(bytes.size())) != 1 ||
        PQputCopyEnd(connection, nullptr) != 1) {
      throw std::runtime_error(fmt::format("PostgreSQL: COPY: {}", PQerrorMessage(connection)));
    }
    expect(connection, QueryResult(PQgetResult(connection)), PGRES_COMMAND_OK);
    while (QueryResult rest{PQgetResult(connection)}) {
    }
    run(connection, "COMMIT");
    done += batch_rows;
  }
  const double seconds = watch.seconds();
  const double used = cpu_seconds_of(PQbackendPID(connection)) - cpu;
  figures.push_back({name + ".rows_per_second", static_cast<double>(done) / seconds});
  figures.push_back({name + ".server_cpu_us_per_row", used * 1e6 / static_cast<double>(done)});
  run(connection, "DROP TABLE rowgate_ceiling");
}

}  // namespace

void measure_postgres(const std::string& conninfo, std::size_t rows, Figures& figures) {
  const Connection connection(PQconnectdb(conninfo.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    throw std::runtime_error(fmt::format("PostgreSQL: {}", PQerrorMessage(connection.get())));
  }
  run(connection.get(), "SET client_min_messages = warning");
  const std::string bytes = encode(make_rows(batch_rows));
  measure_case(connection.get(), bytes, rows, "postgres.copy_no_index", nullptr, figures);
  measure_case(connection.get(), bytes, rows, "postgres.copy_brin",
               "CREATE INDEX ON rowgate_ceiling USING brin(ts)", figures);
  measure_case(connection.get(), bytes, rows, "postgres.copy_btree",
               "CREATE INDEX ON rowgate_ceiling(device, ts)", figures);
}

}  // namespace rowgate::ceiling
