#pragma once
// What this machine can do without a gateway: the figures every end-to-end figure is read against.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace rowgate::ceiling {

/// One measured line: "postgres.copy_brin.rows_per_second 1150000".
struct Figure {
  std::string name;
  double value = 0;
};
using Figures = std::vector<Figure>;

/// The row of bench/scenarios/climate.toml:
/// (ts timestamptz, device text, temperature, humidity, pressure, battery double, seq bigint).
struct Row {
  std::int64_t ts_us = 0;  // unix microseconds
  std::string device;
  double temperature = 0, humidity = 0, pressure = 0, battery = 0;
  std::int64_t seq = 0;
};
/// A batch as the load generator's would be: 100 devices in turn, a millisecond apart.
std::vector<Row> make_rows(std::size_t count);

constexpr std::size_t batch_rows = 20'000;

/// Binary COPY, batches of 20,000 rows a transaction, the bytes encoded beforehand: without an
/// index, with BRIN on ts, with a B-tree on (device, ts). Rows a second, and CPU of the server
/// process a row. Throws std::runtime_error with the server's message.
void measure_postgres(const std::string& conninfo, std::size_t rows, Figures& figures);

/// Prepared inserts with the gateway's pragmas (WAL, synchronous=FULL), batches of 20,000; the time
/// as an integer and as text. Throws std::runtime_error.
void measure_sqlite(const std::string& directory, std::size_t rows, Figures& figures);

/// fdatasync of 4 KiB, 64 KiB and 1 MiB appended over blocks written before: p50 and p99 in us.
/// Throws std::system_error.
void measure_disk(const std::string& directory, std::size_t syncs, Figures& figures);

/// Wall time since construction.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// CPU seconds (user and system) of this process so far.
double process_cpu_seconds();

}  // namespace rowgate::ceiling
