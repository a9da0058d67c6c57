// A message against one of several mappings, chosen by the first byte: whatever the payload holds,
// it becomes rows a sink can store, or a dead letter with a reason.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

using namespace rowgate;
using namespace rowgate::schema;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

constexpr std::string_view typed = R"(
[[mapping]]
name = "typed"
topic = "t"
table = "typed"
[mapping.columns]
b = { from = "/b", type = "boolean" }
i = { from = "/i", type = "bigint", scale = 0.5 }
j = { from = "/j/0", type = "bigint", null_if = 0 }
d = { from = "/d", type = "double", scale = 0.1, offset = -40 }
t = { from = "/t", type = "text", required = true }
z = { from = "/z", type = "timestamptz" }
s = { from = "/z", type = "timestamptz", format = "unix_s", on_error = "null" }
o = { from = "/o", type = "jsonb" }
y = { from = "/y", type = "bytea" }
u = { from = "/u", type = "uuid", on_error = "null" }
n = { from = "/n", type = "numeric" }
w = { from = "", type = "text" }
)";
constexpr std::string_view rows = R"(
[[mapping]]
name = "rows"
topic = "t"
table = "rows"
rows = "/r"
[mapping.columns]
a = { root = "/a", type = "text" }
"*" = "auto"
)";
constexpr std::string_view narrow = R"(
[[mapping]]
name = "narrow"
topic = "t"
table = "narrow"
layout = "narrow"
)";
constexpr std::string_view plain = R"(
[[mapping]]
name = "scalar"
topic = "t"
table = "scalar"
payload = "scalar"
[mapping.columns]
d = { from = "", type = "double", on_error = "null" }
n = { from = "", type = "numeric", on_error = "null" }
z = { from = "", type = "timestamptz", on_error = "null" }
t = { from = "", type = "text" }
[[mapping]]
name = "raw"
topic = "t"
table = "raw"
payload = "raw"
[mapping.columns]
y = { from = "", type = "bytea" }
t = { from = "", type = "text", on_error = "null" }
)";

constexpr std::string_view csv = R"(
[[mapping]]
name = "named"
topic = "t"
table = "named"
payload = { format = "csv", header = true }
[mapping.columns]
a = { from = "/a", type = "text" }
d = { from = "/d", type = "double", on_error = "null" }
"*" = "auto"
[[mapping]]
name = "plain"
topic = "t"
table = "plain"
payload = { format = "csv", delimiter = ";", quote = "'" }
rows_on_error = "all_or_nothing"
[mapping.columns]
a = { from = "/0", type = "text", required = true }
w = { from = "", type = "jsonb" }
)";
constexpr std::string_view ndjson = R"(
[[mapping]]
name = "lines"
topic = "t"
table = "lines"
payload = "ndjson"
columns = "auto"
[[mapping]]
name = "pages"
topic = "t"
table = "pages"
payload = "ndjson"
rows = "/r"
[mapping.columns]
a = { root = "/a", type = "jsonb" }
b = { from = "/b", type = "text" }
)";
constexpr std::string_view influx = R"(
[[mapping]]
name = "points"
topic = "t"
table = "points"
payload = { format = "influx", precision = "ms" }
columns = "auto"
[[mapping]]
name = "values"
topic = "t"
table = "values_of_points"
payload = "influx"
layout = "narrow"
[mapping.columns]
w = { from = "", type = "jsonb" }
)";
constexpr std::string_view senml = R"(
[[mapping]]
name = "senml"
topic = "t"
table = "senml"
payload = "senml"
[mapping.columns]
n = { from = "/n", type = "text", required = true }
v = { from = "/v", type = "numeric" }
d = { from = "/vd", type = "bytea" }
w = { from = "", type = "jsonb" }
)";

// Everything a column can ask of a value, with companions, the rest, a filter and a deadband.
constexpr std::string_view checked = R"(
[[mapping]]
name = "checked"
topic = "t"
table = "checked"
drift = "spill"
rest = "extra"
filter = [{ from = "/valid", is_not = false }, { from = "/d", not_in = [3, "x", true] }]
[mapping.columns]
k = { constant = 7 }
b = { from = "/b", type = "boolean", drift = "coerce" }
i = { from = "/i", type = "bigint", min = -5, max = 500, store = { deadband = 2 } }
d = { from = "/d", type = "double", store = { deadband_percent = 1, at_least_every = "5m" } }
m = { from = "/m", type = "bigint", map = { on = 1, 2 = 22, "*" = -1 } }
v = { from = "/v", type = "text", values = ["a", "b"], store = {} }
t = { from = "/t", type = "text", drift = "spill" }
z = { from = "/z", type = "timestamptz", min = 2000-01-01 }
o = { from = "/o/0", type = "jsonb", drift = "spill" }
y = { from = "/y", type = "bytea" }
u = { from = "/u", type = "uuid" }
n = { from = "/n/a", type = "numeric", max = 100 }
)";
constexpr std::string_view coerced = R"(
[[mapping]]
name = "coerced"
topic = "t"
table = "coerced"
drift = "coerce"
rows = "/r"
rest = "extra"
series = ["t"]
rows_on_error = "all_or_nothing"
[mapping.columns]
b = { from = "/b", type = "boolean" }
i = { from = "/i", type = "bigint", store = { deadband = 1 } }
d = { from = "/d", type = "double", scale = 0.1 }
t = { from = "/t", type = "text" }
z = { from = "/z", type = "timestamptz" }
s = { from = "/z", type = "timestamptz", format = "unix_s" }
o = { from = "/o", type = "jsonb" }
y = { from = "/y", type = "bytea" }
u = { from = "/u", type = "uuid" }
n = { from = "/n", type = "numeric" }
)";
constexpr std::string_view spilled = R"(
[[mapping]]
name = "spilled auto"
topic = "t"
table = "a"
columns = "auto"
drift = "spill"
[[mapping]]
name = "stored narrow"
topic = "t"
table = "n"
layout = "narrow"
store = { deadband = 1 }
filter = { from = "/a/0", above = -1, at_most = 1e9 }
)";

constexpr std::string_view machbase = "machbase_neo = true";
constexpr std::string_view machbase_topics[] = {"db/append/a", "db/append/a:csv", "db/write/a:json",
                                                "db/write/b:csv:gzip", "db/metrics/m"};
// User property format=ndjson.
constexpr std::string_view ndjson_property("\x26\0\6format\0\6ndjson", 17);

struct Case {
  explicit Case(std::shared_ptr<const Catalog> with)
      : catalog(std::move(with)), mapper(std::make_unique<Mapper>(catalog)) {}
  std::shared_ptr<const Catalog> catalog;
  std::unique_ptr<Mapper> mapper;
};

std::vector<Case>& cases() {
  static std::vector<Case> all = [] {
    std::vector<Case> made;
    made.emplace_back(built_in_catalog());
    for (const std::string_view toml : {typed, rows, narrow, plain, csv, ndjson, influx, senml,
                                        checked, coerced, spilled, machbase}) {
      made.emplace_back(*parse_mapping_file(toml, 1));
    }
    return made;
  }();
  return all;
}

void check_numeric(std::string_view text) {
  if (text.front() == '-') text.remove_prefix(1);
  must(!text.empty() && text.front() != '.' && text.back() != '.');
  must(std::count(text.begin(), text.end(), '.') <= 1);
  must(text.find_first_not_of("0123456789.") == std::string_view::npos);
}

void check(const Column& column, const Value& value) {
  if (value.is_null()) {
    must(!column.not_null);
    return;
  }
  must(value.type() == column.type);
  switch (column.type) {
    case Type::text:
    case Type::jsonb:
      must(is_utf8(value.as_bytes()) && !has_nul(value.as_bytes()));
      break;
    case Type::timestamptz:
      must(in_range(value.as_timestamp()));
      break;
    case Type::uuid:
      must(value.as_bytes().size() == 16);
      break;
    case Type::double_precision:
      must(value.as_double() - value.as_double() == 0);
      break;
    case Type::numeric:
      check_numeric(value.as_bytes());
      break;
    default:
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  Case& with = cases()[bytes[0] % cases().size()];
  Message message;
  message.topic = "t";
  if (with.catalog->machbase) {
    const std::size_t which = bytes[0] / cases().size();
    message.topic = machbase_topics[which % std::size(machbase_topics)];
    if (which % 3 == 0) message.properties = ndjson_property;
  }
  message.client_id = "c";
  message.payload = {reinterpret_cast<const char*>(bytes) + 1, size - 1};
  BatchSet out(*with.catalog);
  const Verdict verdict = with.mapper->map(message, 0, true, out);
  must(verdict.matched);
  must(verdict.rows + verdict.rejects == out.rows());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto& columns = out[i].table().columns;
    for (std::size_t r = 0; r < out[i].rows(); ++r) {
      for (std::size_t c = 0; c < columns.size(); ++c) check(columns[c], out[i].row(r)[c]);
    }
  }
  return 0;
}
