// rowgate_ceiling: prints "name value" lines.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "bench/ceiling/ceiling.hpp"

namespace rowgate::ceiling {

std::vector<Row> make_rows(std::size_t count) {
  constexpr std::size_t devices = 100;
  constexpr std::int64_t first_ts = 1'700'000'000'000'000;
  std::vector<Row> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    Row& row = rows[i];
    row.ts_us = first_ts + static_cast<std::int64_t>(i) * 1000;
    row.device = fmt::format("load-{:05}", i % devices);
    row.temperature = 20.0 + static_cast<double>(i % 1000) * 0.01;
    row.humidity = 45.0 + static_cast<double>(i % 100) * 0.01;
    row.pressure = 1013.25;
    row.battery = 3.71;
    row.seq = 1'000'000'000 + static_cast<std::int64_t>(i / devices);
  }
  return rows;
}

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace rowgate::ceiling

int main(int argc, char** argv) {
  std::string postgres;
  std::string directory = ".";
  bool only_postgres = false;
  std::size_t rows = 1'000'000;
  std::size_t syncs = 500;
  CLI::App app("Measures COPY, SQLite inserts and fdatasync on this machine", "rowgate_ceiling");
  app.add_option("--postgres", postgres,
                 "libpq connection string; without it PostgreSQL is left out");
  app.add_flag("--only-postgres", only_postgres, "measure neither SQLite nor the disk");
  app.add_option("--directory", directory, "where the SQLite file and the sync file go")
      ->check(CLI::ExistingDirectory);
  app.add_option("--rows", rows, "rows a database case")->check(CLI::Range(20'000, 100'000'000));
  app.add_option("--syncs", syncs, "fdatasync calls a size")->check(CLI::Range(10, 1'000'000));
  CLI11_PARSE(app, argc, argv);
  try {
    rowgate::ceiling::Figures figures;
    if (!only_postgres) {
      rowgate::ceiling::measure_disk(directory, syncs, figures);
      rowgate::ceiling::measure_sqlite(directory, rows, figures);
    }
    if (!postgres.empty()) rowgate::ceiling::measure_postgres(postgres, rows, figures);
    for (const auto& figure : figures) fmt::print("{:<44} {:.3f}\n", figure.name, figure.value);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rowgate_ceiling: {}\n", error.what());
    return 1;
  }
}
