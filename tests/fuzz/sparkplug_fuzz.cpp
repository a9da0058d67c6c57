// A lane's Sparkplug B messages, one after another: births, deaths and data, of a node and of two
// devices, some of them seen a second time. Whatever they hold, each becomes rows or a dead letter,
// and none is lost in between. An input is messages of a byte for the kind, two for the length, and
// the payload.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "schema/base/bytes.hpp"
#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "schema/sparkplug.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate;
using namespace rowgate::schema;

namespace {

constexpr std::string_view mappings = R"(
[[mapping]]
name = "metrics"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "metrics"
payload = "sparkplug_b"
rows = "/metrics"
[mapping.columns]
name = { from = "/name", type = "text", required = true }
value = { from = "/value", type = "text", on_error = "null" }
properties = { from = "/properties", type = "jsonb", on_error = "null" }
[[mapping]]
name = "documents"
topic = "spBv1.0/#"
table = "documents"
payload = "sparkplug_b"
[mapping.columns]
document = { from = "", type = "jsonb" }
)";

constexpr std::array<std::string_view, 8> topics{
    "spBv1.0/G/NBIRTH/E",  "spBv1.0/G/DBIRTH/E/a", "spBv1.0/G/DBIRTH/E/b", "spBv1.0/G/NDATA/E",
    "spBv1.0/G/DDATA/E/a", "spBv1.0/G/DDATA/E/b",  "spBv1.0/G/NDEATH/E",   "spBv1.0/G/DCMD/E/a"};

void check(const RowBatch& rows) {
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    for (const Value& value : rows.row(r)) {
      if (value.is_null() || (value.type() != Type::text && value.type() != Type::jsonb)) continue;
      must(is_utf8(value.as_bytes()) && !has_nul(value.as_bytes()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::shared_ptr<const Catalog> catalog = *parse_mapping_file(mappings, 1);
  SparkplugSessions sessions(1U << 16);
  Mapper mapper(catalog, &sessions);
  BatchSet out(*catalog);
  rowgate::Reader in({reinterpret_cast<const char*>(bytes), size});
  std::uint64_t position = 0;
  while (in.remaining() > 3) {
    const std::uint8_t kind = in.u8();
    Message message;
    message.topic = topics[kind % topics.size()];
    const std::size_t length = in.le<std::uint16_t>();
    message.payload = in.view(std::min(length, in.remaining()));
    message.position = ++position;
    const std::size_t before = out.rows();
    const Verdict verdict = mapper.map(message, 0, true, out);
    must(verdict.matched);
    must(before + verdict.rows + verdict.rejects == out.rows());
    if ((kind & 0x40U) != 0) sessions.settle();
    if ((kind & 0x80U) != 0) sessions.revert();
  }
  for (std::size_t i = 0; i < out.size(); ++i) check(out[i]);
  return 0;
}
