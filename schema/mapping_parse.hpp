#pragma once
// The steps between a mapping file's TOML and a Catalog. Start-up only.
#include <optional>
#include <string>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/mapping_section.hpp"

namespace rowgate::schema {

/// A [[mapping]] with what its Table will need and where things stand in the file.
struct ParsedMapping {
  Mapping mapping;
  std::string table;
  std::vector<std::string> key;
  std::optional<OnConflict> on_conflict;
  toml::source_region where;
  toml::source_region table_where;
  toml::source_region key_where;
  toml::source_region time_where;
  std::vector<toml::source_region> column_where;  // one a column
};

/// Reads one [[mapping]].
ParsedMapping parse_mapping(const toml::table& table, Errors& errors);

/// Reads `payload` and `rows_on_error`.
void parse_payload(const Section& section, Mapping& mapping, Errors& errors);

/// Reads `columns` (an automatic set, a table, or nothing) into parsed.mapping.columns.
/// Expects pattern, payload, layout, rows and time to be there.
void parse_columns(const toml::table& table, ParsedMapping& parsed, Errors& errors);

/// `from` or `root`, checked against the mapping's payload. nullopt: neither is there.
std::optional<FromField> parse_field(const Section& section, const Mapping& mapping,
                                     Errors& errors);

extern const std::vector<std::pair<std::string_view, TimeFormat>> time_formats;

/// The tables the mappings write, merged by name; sets the mappings' table and column indexes.
std::vector<Table> merge_tables(std::vector<ParsedMapping>& mappings, Errors& errors);

}  // namespace rowgate::schema
