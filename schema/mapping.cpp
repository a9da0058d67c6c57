#include "schema/mapping.hpp"

namespace rowgate::schema {

std::shared_ptr<const Catalog> built_in_catalog() {
  auto catalog = std::make_shared<Catalog>();
  catalog->tables.push_back({.name = "telemetry",
                             .columns = {{"ts", Type::timestamptz, true},
                                         {"topic", Type::text, true},
                                         {"client_id", Type::text, true},
                                         {"value", Type::double_precision, false},
                                         {"payload", Type::text, true}},
                             .key = {},
                             .on_conflict = OnConflict::ignore,
                             .time_column = "ts"});
  Mapping mapping;
  mapping.name = "built-in";
  mapping.pattern.assign(1, '#');  // GCC 12 warns wrongly (-Wrestrict) about = "#"
  mapping.payload = Payload::raw;
  mapping.built_in = true;
  catalog->mappings.push_back(std::move(mapping));
  catalog->index.add_all(0);
  return catalog;
}

}  // namespace rowgate::schema
