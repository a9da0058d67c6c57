// `machbase_neo = true`, or
//   [machbase_neo.table.example]
//   columns = { name = "text", time = "timestamptz", value = "double", line = "text" }
#include <algorithm>
#include <array>

#include "schema/machbase.hpp"
#include "schema/mapping_parse.hpp"

namespace rowgate::schema {
namespace {

void read_columns(const toml::table& columns, Table& table, Errors& errors) {
  const std::vector<Entry> entries = in_file_order(columns);
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  const Section section(columns, "columns", names, errors);
  for (const Entry& entry : entries) {
    const auto type = section.choice<Type>(entry.name, column_types);
    if (!type) continue;
    if (!is_identifier(entry.name)) {
      errors.add(entry.where, "'" + entry.name + "' is not a column's name", "1 to 63 bytes");
    }
    const bool is_time = *type == Type::timestamptz && table.time_column.empty();
    if (is_time) table.time_column = entry.name;
    table.columns.push_back({entry.name, *type, is_time});
  }
  if (table.time_column.empty()) {
    errors.add(columns, "a table of machbase-neo's has a time column",
               "for example time = \"timestamptz\"");
  }
}

void read_table(const Entry& entry, std::vector<Table>& tables, Errors& errors) {
  static constexpr std::array<std::string_view, 1> known{"columns"};
  const toml::table* node = entry.value->as_table();
  if (node == nullptr || node->get("columns") == nullptr || !node->get("columns")->is_table()) {
    errors.add(entry.where, "table '" + entry.name + "' needs columns",
               "columns = { name = \"text\", time = \"timestamptz\", value = \"double\" }");
    return;
  }
  const Section section(*node, "machbase_neo.table", known, errors);
  if (!names_a_table(entry.name) || is_reserved_table(entry.name)) {
    errors.add(entry.where, "'" + entry.name + "' is not a table's name, or a reserved one",
               "1 to 63 bytes; rowgate_, sqlite_ and pg_ begin others");
    return;
  }
  const bool there = std::any_of(tables.begin(), tables.end(),
                                 [&](const Table& t) { return t.name == entry.name; });
  if (there) {
    errors.add(entry.where, "table '" + entry.name + "' is written by a [[mapping]] too",
               "its columns are known from there; leave this section out");
    return;
  }
  Table table;
  table.name = entry.name;
  read_columns(*node->get("columns")->as_table(), table, errors);
  tables.push_back(std::move(table));
}

}  // namespace

bool parse_machbase(const toml::table& file, std::vector<Table>& tables, Errors& errors) {
  static constexpr std::array<std::string_view, 1> known{"table"};
  const toml::node* node = file.get("machbase_neo");
  if (node == nullptr) return false;
  if (const auto* flag = node->as_boolean()) return flag->get();
  const toml::table* section = node->as_table();
  if (section == nullptr) {
    errors.add(*node, "machbase_neo is true or false, or declares tables",
               "[machbase_neo.table.NAME]");
    return false;
  }
  const Section checked(*section, "machbase_neo", known, errors);
  const toml::node* declared = section->get("table");
  if (declared == nullptr) return true;
  if (!declared->is_table()) {
    errors.add(*declared, "'table' must be a table", "[machbase_neo.table.NAME]");
    return true;
  }
  for (const Entry& entry : in_file_order(*declared->as_table())) read_table(entry, tables, errors);
  return true;
}

}  // namespace rowgate::schema
