#pragma once
// The [table.NAME] sections of the mapping file: how the database keeps a table. Start-up only.
#include <vector>

#include "schema/mapping_section.hpp"
#include "schema/table.hpp"

namespace rowgate::schema {

/// Reads the file's `table`, and sets each named table's storage. `latest` appends a table to
/// `tables`, which are those that the mappings write.
void parse_table_sections(const toml::table& file, std::vector<Table>& tables, Errors& errors);

}  // namespace rowgate::schema
