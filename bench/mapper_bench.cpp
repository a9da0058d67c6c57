// What one message costs in the mapper: decoding, conversion, and its row in a RowBatch. The batch
// is cleared every 1000 messages, as a drain would.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace {

using namespace rowgate;
using namespace rowgate::schema;

constexpr std::uint32_t messages_a_batch = 1000;
constexpr std::size_t devices = 1000;

std::shared_ptr<const Catalog> catalog_of(std::string_view toml) {
  if (toml.empty()) return built_in_catalog();
  auto parsed = parse_mapping_file(toml, 1);
  if (!parsed) std::abort();
  return *parsed;
}

void run(benchmark::State& state, std::string_view toml, const std::string& topic_prefix,
         const std::string& topic_suffix, std::string_view payload) {
  const auto catalog = catalog_of(toml);
  Mapper mapper(catalog);
  BatchSet batches(*catalog);
  std::vector<std::string> topics;
  for (std::size_t i = 0; i < devices; ++i) {
    topics.push_back(topic_prefix + std::to_string(i) + topic_suffix);
  }
  Message message;
  message.client_id = "device-0042";
  message.payload = payload;
  message.received_at = Timestamp{1'795'244'979'123'456};
  std::uint32_t n = 0;
  std::uint64_t rows = 0;
  for (auto _ : state) {
    message.topic = topics[n % devices];
    rows += mapper.map(message, n, true, batches).rows;
    if (++n == messages_a_batch) {
      benchmark::DoNotOptimize(batches[0].rows());
      batches.clear();
      n = 0;
    }
  }
  if (rows < static_cast<std::uint64_t>(state.iterations()))
    state.SkipWithError("messages were refused");
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
}

constexpr std::string_view seven_columns = R"(
[[mapping]]
name = "climate"
topic = "site/{site}/climate"
table = "climate"
time = { from = "/ts", format = "unix_ms" }
[mapping.columns]
site        = { topic = "site" }
temperature = { from = "/temp", type = "double" }
humidity    = { from = "/hum", type = "double" }
pressure    = { from = "/press", type = "double" }
counter     = { from = "/n", type = "bigint" }
state       = { from = "/state", type = "text" }
)";
constexpr std::string_view six_fields =
    R"({"ts":1795244979123,"temp":21.53,"hum":40.5,"press":1013.25,"n":123456,"state":"ok"})";
constexpr std::string_view scalar = R"(
[[mapping]]
name = "s"
topic = "site/{site}/climate"
table = "s"
payload = "scalar"
[mapping.columns]
site  = { topic = "site" }
value = { from = "", type = "double" }
)";
constexpr std::string_view automatic = R"(
[[mapping]]
name = "a"
topic = "site/{site}/climate"
table = "a"
columns = "auto"
)";
constexpr std::string_view narrow = R"(
[[mapping]]
name = "n"
topic = "site/{site}/climate"
table = "n"
layout = "narrow"
)";
constexpr std::string_view rows = R"(
[[mapping]]
name = "r"
topic = "site/{site}/climate"
table = "r"
rows = "/s"
[mapping.columns]
site = { topic = "site" }
v    = { from = "/v", type = "double" }
)";

BENCHMARK_CAPTURE(run, built_in_scalar, "", "site/", "/climate", "21.53");
BENCHMARK_CAPTURE(run, built_in_json_one_number, "", "site/", "/climate",
                  R"({"temp":21.53,"unit":"C"})");
BENCHMARK_CAPTURE(run, built_in_json_six_fields, "", "site/", "/climate", six_fields);
BENCHMARK_CAPTURE(run, scalar_two_columns, scalar, "site/", "/climate", "21.53");
BENCHMARK_CAPTURE(run, json_six_fields_seven_columns, seven_columns, "site/", "/climate",
                  six_fields);
BENCHMARK_CAPTURE(run, json_six_fields_automatic, automatic, "site/", "/climate", six_fields);
BENCHMARK_CAPTURE(run, json_six_fields_narrow, narrow, "site/", "/climate", six_fields);
BENCHMARK_CAPTURE(run, json_ten_rows, rows, "site/", "/climate",
                  R"({"s":[{"v":1.5},{"v":2.5},{"v":3.5},{"v":4.5},{"v":5.5},{"v":6.5},{"v":7.5},)"
                  R"({"v":8.5},{"v":9.5},{"v":10.5}]})");

}  // namespace
