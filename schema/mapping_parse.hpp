#pragma once
// The steps between a mapping file's TOML and a Catalog. Start-up only.
#include <chrono>
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
  std::vector<std::optional<Drift>> drifts;       // one a column; absent: as the mapping says
};

/// Reads one [[mapping]].
ParsedMapping parse_mapping(const toml::table& table, Errors& errors);

/// Reads `payload` and `rows_on_error`.
void parse_payload(const Section& section, Mapping& mapping, Errors& errors);

/// Reads `columns` (an automatic set, a table, or nothing) and `rest` into parsed.mapping.columns.
/// Expects pattern, payload, layout, rows and time to be there.
void parse_columns(const Section& section, const toml::table& table, ParsedMapping& parsed,
                   Errors& errors);

/// `from` or `root`, checked against the mapping's payload. nullopt: neither is there.
std::optional<FromField> parse_field(const Section& section, const Mapping& mapping,
                                     Errors& errors);

/// Reads `machbase_neo`: true, or a table that declares tables, which are added to `tables`.
/// Whether it is asked for.
bool parse_machbase(const toml::table& file, std::vector<Table>& tables, Errors& errors);

/// `topic` of a column or a condition.
std::optional<FromTopic> parse_capture(const Section& section, const Mapping& mapping,
                                       Errors& errors);

/// `meta` of a column or a condition, and the type it has if none is declared.
std::optional<FromMeta> parse_meta(const Section& section, Type& natural, Errors& errors);

/// nullopt: not a scalar, not a finite number, or a time of day without its day.
std::optional<Literal> literal_of(const toml::node& node);

/// "5m": a number and ms, s, m, h or d.
std::optional<std::chrono::microseconds> span_of(std::string_view text);

/// `constant` as rule.source; returns the type it has by itself.
std::optional<Type> parse_constant(const Section& section, const Entry& entry, ColumnRule& rule,
                                   Errors& errors);
/// Against the rule's type.
void check_constant(const Section& section, const ColumnRule& rule, Errors& errors);

/// `min`, `max`, `values`, `map` and `store` of a column whose type is known.
void parse_checks(const Section& section, const Mapping& mapping, ColumnRule& rule, Errors& errors);
/// `what` begins each message.
std::optional<StoreRule> parse_store(const toml::node& node, const std::string& what, Type type,
                                     Errors& errors);

/// `drift` of a mapping or a column.
std::optional<Drift> parse_drift(const Section& section);
/// `filter` of a mapping whose payload, rows and captures are known.
void parse_filter(const Section& section, Mapping& mapping, Errors& errors);
/// `rest`, as the last of the declared columns.
void parse_rest(const Section& section, ParsedMapping& parsed, Errors& errors);
/// Once columns and key are known: `series` and a narrow `store`; each column's drift, and the
/// columns that take what is spilled.
void finish_columns(const Section& section, ParsedMapping& parsed, Errors& errors);

extern const std::vector<std::pair<std::string_view, Type>> column_types;
extern const std::vector<std::pair<std::string_view, TimeFormat>> time_formats;

/// The tables the mappings write, merged by name; sets the mappings' table and column indexes.
std::vector<Table> merge_tables(std::vector<ParsedMapping>& mappings, Errors& errors);

}  // namespace rowgate::schema
