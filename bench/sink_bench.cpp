// Rows per second into the sinks, batch by batch, as the drain commits them: 7 columns
// (timestamptz, two texts, bigint, three doubles), batches of 1,000 and 20,000.
//   ROWGATE_BENCH_POSTGRES=postgresql://... rowgate_micro_bench     PostgreSQL too
// Assertions on or a loaded machine make the figures meaningless.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "storage/sink/postgres/row_encoder.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"

namespace rowgate {
namespace {

using schema::Type;
using schema::Value;
using storage::Position;

schema::Table table(bool key) {
  return {key ? "bench_key" : "bench_plain",
          {{"ts", Type::timestamptz},
           {"site", Type::text},
           {"device", Type::text},
           {"seq", Type::bigint},
           {"temperature", Type::double_precision},
           {"humidity", Type::double_precision},
           {"pressure", Type::double_precision}},
          key ? std::vector<std::string>{"device", "ts"} : std::vector<std::string>{},
          schema::OnConflict::ignore,
          "ts"};
}

/// Rows of 500 devices in turn, a new timestamp each: `first` numbers the first row.
void fill(schema::RowBatch& batch, std::size_t rows, std::int64_t first) {
  batch.clear();
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int64_t n = first + static_cast<std::int64_t>(i);
    const auto row = batch.add_row(static_cast<std::uint32_t>(i));
    char* name = batch.arena().allocate(10);
    fmt::format_to_n(name, 10, "device-{:03}", n * 7919 % 500);
    row[0] = Value::of_timestamp({1'767'225'600'000'000 + n * 1000});
    row[1] = Value::of_bytes(Type::text, "berlin");
    row[2] = Value::of_bytes(Type::text, {name, 10});
    row[3] = Value::of_bigint(n);
    row[4] = Value::of_double(20.0 + static_cast<double>(n % 100) / 10);
    row[5] = Value::of_double(0.5);
    row[6] = Value::of_double(1013.25);
  }
}

template <class T>
T check(storage::SinkResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *result;
}

void commit_batches(benchmark::State& state, storage::Sink& sink, bool key) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto lane = sink.lane({});
  Position at = check(lane->open({"bench", "bench", {}}, {}));
  schema::RowBatch batch(table(key));
  check(lane->ensure(batch.table()));
  auto n = static_cast<std::int64_t>(at.value);
  for (auto _ : state) {
    state.PauseTiming();
    fill(batch, rows, n);
    state.ResumeTiming();
    check(lane->begin());
    check(lane->insert({&batch, 0, rows}, false));
    const Position to{at.value + rows};
    check(lane->commit(at, to));
    at = to;
    n += static_cast<std::int64_t>(rows);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void sqlite(benchmark::State& state, bool key) {
  const std::string file = std::filesystem::temp_directory_path() / "rowgate-sink-bench.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
  const auto sink = storage::sqlite::make_sink(file, storage::sqlite::Synchronous::full);
  commit_batches(state, *sink, key);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
}
void sqlite_plain(benchmark::State& state) {
  sqlite(state, false);
}
void sqlite_key(benchmark::State& state) {
  sqlite(state, true);
}

void postgres(benchmark::State& state, bool key) {
  const char* url = std::getenv("ROWGATE_BENCH_POSTGRES");
  if (!url) return state.SkipWithError("set ROWGATE_BENCH_POSTGRES to a PostgreSQL URL");
  const auto sink = storage::postgres::make_sink(url);
  commit_batches(state, *sink, key);
}
void postgres_plain(benchmark::State& state) {
  postgres(state, false);
}
void postgres_key(benchmark::State& state) {
  postgres(state, true);
}

/// The encoder alone: what a row costs the gateway before libpq.
void encode_rows(benchmark::State& state) {
  using storage::postgres::Wire;
  const Wire wires[] = {Wire::timestamptz, Wire::bytes,  Wire::bytes, Wire::int8,
                        Wire::float8,      Wire::float8, Wire::float8};
  schema::RowBatch batch(table(false));
  fill(batch, 20'000, 0);
  storage::postgres::RowEncoder encoder;
  for (auto _ : state) {
    encoder.start(wires, false);
    for (std::size_t i = 0; i < batch.rows(); ++i) {
      benchmark::DoNotOptimize(encoder.add(batch.row(i)));
      if (encoder.bytes().size() >= storage::postgres::RowEncoder::piece) encoder.clear();
    }
  }
  state.SetItemsProcessed(state.iterations() * 20'000);
}

BENCHMARK(encode_rows);
BENCHMARK(sqlite_plain)->Arg(1'000)->Arg(20'000)->UseRealTime();
BENCHMARK(sqlite_key)->Arg(1'000)->Arg(20'000)->UseRealTime();
BENCHMARK(postgres_plain)->Arg(1'000)->Arg(20'000)->UseRealTime();
BENCHMARK(postgres_key)->Arg(1'000)->Arg(20'000)->UseRealTime();

}  // namespace
}  // namespace rowgate
