// A mapping file: any bytes are refused with at least one error, or become a Catalog whose mapper
// runs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

using namespace rowgate::schema;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto parsed = parse_mapping_file(text, 1);
  if (!parsed) {
    must(!parsed.error().empty());
    must(!format_errors("mapping.toml", parsed.error()).empty());
    return 0;
  }
  const auto catalog = *parsed;
  Mapper mapper(catalog);
  BatchSet out(*catalog);
  for (const Mapping& mapping : catalog->mappings) {
    must(mapping.table < catalog->tables.size());
    for (const ColumnRule& rule : mapping.columns) {
      must(catalog->tables[mapping.table].columns.at(rule.column).name == rule.name);
    }
    Message message;
    message.topic = mapping.pattern;  // a pattern without `$` or `#` in it takes itself
    message.payload = R"({"ts":1,"t":2,"samples":[{"t":1}],"a":{"b":"c"}})";
    mapper.map(message, 0, true, out);
    must(!explain(catalog, message).empty());
  }
  return 0;
}
