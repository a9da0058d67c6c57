// What one message costs in each payload format, from payload to row: the same six fields into
// seven columns, and a hundred such rows in one message. The compressed hundred are alike: they
// show what unpacking costs at its best.
#include <benchmark/benchmark.h>
#include <zlib.h>
#include <zstd.h>

#include <bit>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "schema/base/bytes.hpp"
#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace {

using namespace rowgate;
using namespace rowgate::schema;
using nlohmann::json;

constexpr std::int64_t at = 1'795'244'979'123;
constexpr std::size_t many = 100;

json object() {
  return {{"ts", at},         {"temp", 21.53}, {"hum", 40.5},
          {"press", 1013.25}, {"n", 123456},   {"state", "ok"}};
}
json array() {
  return json(many, object());
}
template <class Bytes>
std::string text(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}
std::string repeated(const std::string& line) {
  std::string all;
  for (std::size_t i = 0; i < many; ++i) all += line;
  return all;
}

std::string gzip(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  std::string out(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 3));
  return out;
}

// Protocol buffers, as far as a Sparkplug B message of data needs them.
void varint(std::string& out, std::uint64_t v) {
  for (; v > 127; v >>= 7U) out.push_back(static_cast<char>(v | 128U));
  out.push_back(static_cast<char>(v));
}
void field(std::string& out, unsigned number, std::uint64_t v) {
  varint(out, number << 3U);
  varint(out, v);
}
void field(std::string& out, unsigned number, std::string_view bytes) {
  varint(out, number << 3U | 2U);
  varint(out, bytes.size());
  out += bytes;
}
std::string sparkplug() {
  std::string payload;
  field(payload, 1, static_cast<std::uint64_t>(at));
  const json fields = object();
  for (const auto& [name, value] : fields.items()) {
    if (name == "ts") continue;
    std::string metric;
    field(metric, 1, name);
    field(metric, 4,
          value.is_string()           ? 12
          : value.is_number_integer() ? 4
                                      : 10);  // String, Int64, Double
    if (value.is_string()) {
      field(metric, 15, value.get<std::string>());
    } else if (value.is_number_integer()) {
      field(metric, 11, value.get<std::uint64_t>());
    } else {
      varint(metric, 13U << 3U | 1U);
      Writer(metric).le(std::bit_cast<std::uint64_t>(value.get<double>()));
    }
    field(payload, 2, metric);
  }
  field(payload, 3, 7);
  return payload;
}

// `values`: the pointer below which the fields stand.
std::string mapping(const std::string& payload, const std::string& values, const std::string& time,
                    bool rows) {
  std::string toml = "[[mapping]]\nname = \"m\"\ntopic = \"site/{site}/#\"\ntable = \"t\"\n";
  toml += "payload = " + payload + "\ntime = " + time + "\n";
  if (rows) toml += "rows = \"\"\n";
  toml += "[mapping.columns]\nsite = { topic = \"site\" }\n";
  for (const char* name : {"temp", "hum", "press"}) {
    toml += std::string(name) + " = { from = \"" + values + name + "\", type = \"double\" }\n";
  }
  toml += "n = { from = \"" + values + "n\", type = \"bigint\" }\n";
  return toml + "state = { from = \"" + values + "state\", type = \"text\" }\n";
}

void run(benchmark::State& state, const std::string& toml, const std::string& payload,
         std::size_t rows_a_message, std::string_view topic = "site/north/climate") {
  constexpr std::uint32_t messages_a_batch = 200;
  const auto catalog = parse_mapping_file(toml, 1);
  if (!catalog) return state.SkipWithError(format_errors("mapping", catalog.error()).c_str());
  Mapper mapper(*catalog);
  BatchSet batches(**catalog);
  Message message;
  message.topic = topic;
  message.client_id = "device-0042";
  message.payload = payload;
  message.received_at = Timestamp{at * 1000};
  std::uint32_t n = 0;
  std::uint64_t rows = 0;
  for (auto _ : state) {
    rows += mapper.map(message, n, true, batches).rows;
    if (++n == messages_a_batch) {
      batches.clear();
      n = 0;
    }
  }
  const auto wanted = static_cast<std::uint64_t>(state.iterations()) * rows_a_message;
  if (rows != wanted) state.SkipWithError("rows were refused");
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
  state.counters["payload_bytes"] = static_cast<double>(payload.size());
}

const std::string unix_ms = R"({ from = "/ts", format = "unix_ms" })";

void add(const std::string& name, const std::string& toml, const std::string& payload,
         std::size_t rows) {
  benchmark::RegisterBenchmark(("payload/" + name).c_str(),
                               [=](benchmark::State& state) { run(state, toml, payload, rows); });
}

const bool registered = [] {
  const std::string line = object().dump() + "\n";
  const std::string csv = std::to_string(at) + ",21.53,40.5,1013.25,123456,ok\n";
  const std::string csv_mapping =
      R"({ format = "csv", fields = ["ts", "temp", "hum", "press", "n", "state"] })";
  const std::string point =
      "climate,site=x temp=21.53,hum=40.5,press=1013.25,n=123456i,state=\"ok\" "
      "1795244979123000000\n";
  const std::string influx = mapping("\"influx\"", "/fields/", R"({ from = "/time" })", false);
  add("json", mapping("\"json\"", "/", unix_ms, false), object().dump(), 1);
  add("msgpack", mapping("\"msgpack\"", "/", unix_ms, false), text(json::to_msgpack(object())), 1);
  add("cbor", mapping("\"cbor\"", "/", unix_ms, false), text(json::to_cbor(object())), 1);
  add("csv", mapping(csv_mapping, "/", unix_ms, false), csv, 1);
  add("ndjson", mapping("\"ndjson\"", "/", unix_ms, false), line, 1);
  add("influx", influx, point, 1);
  std::string spark = mapping("\"sparkplug_b\"", "/values/",
                              R"({ from = "/timestamp", format = "unix_ms" })", false);
  spark.replace(spark.find("site/{site}/#"), 13, "spBv1.0/g/DDATA/{site}/x");
  benchmark::RegisterBenchmark("payload/sparkplug_b", [=](benchmark::State& state) {
    run(state, spark, sparkplug(), 1, "spBv1.0/g/DDATA/north/x");
  });
  add("json_gzip", mapping(R"({ format = "json", compression = "gzip" })", "/", unix_ms, false),
      gzip(object().dump()), 1);
  add("json_zstd", mapping(R"({ format = "json", compression = "zstd" })", "/", unix_ms, false),
      zstd(object().dump()), 1);
  add("json_100_rows", mapping("\"json\"", "/", unix_ms, true), array().dump(), many);
  add("msgpack_100_rows", mapping("\"msgpack\"", "/", unix_ms, true),
      text(json::to_msgpack(array())), many);
  add("cbor_100_rows", mapping("\"cbor\"", "/", unix_ms, true), text(json::to_cbor(array())), many);
  add("csv_100_rows", mapping(csv_mapping, "/", unix_ms, false), repeated(csv), many);
  add("ndjson_100_rows", mapping("\"ndjson\"", "/", unix_ms, false), repeated(line), many);
  add("influx_100_rows", influx, repeated(point), many);
  add("json_gzip_100_rows",
      mapping(R"({ format = "json", compression = "gzip" })", "/", unix_ms, true),
      gzip(array().dump()), many);
  add("json_zstd_100_rows",
      mapping(R"({ format = "json", compression = "zstd" })", "/", unix_ms, true),
      zstd(array().dump()), many);
  return true;
}();

}  // namespace
