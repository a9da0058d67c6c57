#include "storage/sink/sqlite/ddl.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage/sink/fit.hpp"

namespace rowgate::storage::sqlite {
namespace {

using schema::Type;

/// How SQLite converts what is stored in a column (https://www.sqlite.org/datatype3.html, 3.1).
enum class Affinity : std::uint8_t { integer, text, none, real, numeric };

Affinity affinity(std::string_view declared, bool strict) {
  std::string type(declared);
  for (char& c : type)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const auto has = [&](std::string_view part) { return type.find(part) != std::string::npos; };
  if (strict && type == "ANY") return Affinity::none;
  if (has("INT")) return Affinity::integer;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::text;
  if (has("BLOB") || type.empty()) return Affinity::none;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::real;
  return Affinity::numeric;
}

/// Whether the column keeps our values as they are (a TEXT "007" in a NUMERIC column becomes 7).
bool keeps(Affinity column, Type type, bool strict) noexcept {
  if (column == Affinity::none) return !strict || type == Type::bytea;
  switch (type) {
    case Type::boolean:
    case Type::bigint:
      return column == Affinity::integer || column == Affinity::numeric;
    case Type::double_precision:
      return column == Affinity::real ||
             (!strict && (column == Affinity::numeric || column == Affinity::integer));
    case Type::text:
    case Type::uuid:
      return column == Affinity::text;
    case Type::timestamptz:  // DATETIME and TIMESTAMP are NUMERIC, which leaves ISO 8601 alone
    case Type::jsonb:        // JSON is NUMERIC: a bare number stays the same JSON
    case Type::numeric:
      return column == Affinity::text || column == Affinity::numeric;
    case Type::bytea:
      return false;
  }
  return false;
}

}  // namespace

const char* const create_checkpoint =
    "CREATE TABLE IF NOT EXISTS rowgate_checkpoint (gateway TEXT NOT NULL, lane INTEGER NOT NULL, "
    "journal_id TEXT NOT NULL, position INTEGER NOT NULL, updated_at TEXT NOT NULL, "
    "PRIMARY KEY (gateway, lane)) WITHOUT ROWID";

std::string_view column_type(Type type) noexcept {
  switch (type) {
    case Type::boolean:
      return "BOOLEAN";
    case Type::bigint:
      return "BIGINT";
    case Type::double_precision:
      return "DOUBLE PRECISION";
    case Type::text:
    case Type::timestamptz:
    case Type::jsonb:
    case Type::uuid:
    case Type::numeric:
      return "TEXT";
    case Type::bytea:
      return "BLOB";
  }
  return "TEXT";
}

std::string create_table(const schema::Table& table) {
  std::string sql =
      fmt::format("CREATE TABLE IF NOT EXISTS {} (", schema::quote_identifier(table.name));
  const char* separator = "";
  for (const schema::Column& column : table.columns) {
    fmt::format_to(std::back_inserter(sql), "{}{} {}{}", separator,
                   schema::quote_identifier(column.name), column_type(column.type),
                   column.not_null || in_key(table, column.name) ? " NOT NULL" : "");
    separator = ", ";
  }
  if (!table.key.empty()) sql += fmt::format(", UNIQUE ({})", key_list(table));
  sql += ")";
  return sql;
}

std::string add_column(const schema::Table& table, const schema::Column& column) {
  // Rows that are there have no value for it, so NOT NULL cannot be declared.
  return fmt::format("ALTER TABLE {} ADD COLUMN {} {}", schema::quote_identifier(table.name),
                     schema::quote_identifier(column.name), column_type(column.type));
}

std::string create_key(const schema::Table& table) {
  return fmt::format("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({})",
                     schema::quote_identifier("rowgate_key_" + table.name),
                     schema::quote_identifier(table.name), key_list(table));
}

std::string insert_row(const schema::Table& table) {
  std::string sql = fmt::format("INSERT INTO {} ({}) VALUES (",
                                schema::quote_identifier(table.name), column_list(table));
  for (std::size_t i = 0; i < table.columns.size(); ++i) sql += i ? ", ?" : "?";
  return sql + ")" + on_conflict(table);
}

Result<std::vector<std::string>, std::string> plan_changes(const ExistingTable* existing,
                                                           const schema::Table& wanted) {
  std::vector<std::string> statements;
  if (!existing) {
    statements.push_back(create_table(wanted));
    return statements;
  }
  if (existing->view) return not_a_table(wanted, "view");
  for (const schema::Column& column : wanted.columns) {
    const auto at = std::ranges::find_if(existing->columns, [&](const ExistingColumn& c) {
      return same_name_ignoring_case(c.name, column.name);
    });
    if (at == existing->columns.end()) {
      if (in_key(wanted, column.name)) return missing_key_column(wanted, column);
      statements.push_back(add_column(wanted, column));
      continue;
    }
    if (at->generated) return generated_column(wanted, column);
    if (!keeps(affinity(at->declared, existing->strict), column.type, existing->strict))
      return does_not_fit(wanted, column, at->declared, column_type(column.type));
  }
  for (const ExistingColumn& column : existing->columns) {
    const bool filled = std::ranges::any_of(wanted.columns, [&](const schema::Column& c) {
      return same_name_ignoring_case(c.name, column.name);
    });
    if (!filled && column.not_null && !column.has_default && !column.generated)
      return never_filled(wanted, column.name);
  }
  if (!wanted.key.empty() && !has_unique_key(existing->unique_keys, wanted.key))
    statements.push_back(create_key(wanted));
  return statements;
}

}  // namespace rowgate::storage::sqlite
