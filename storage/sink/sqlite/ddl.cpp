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

std::vector<std::vector<std::string>> index_columns(const schema::Table& table) {
  std::vector<std::vector<std::string>> indexes = wanted_indexes(table);
  const bool time = table.storage.index == schema::TimeIndex::btree || table.storage.retention;
  const std::vector<std::string> alone{table.time_column};
  if (time && !is_covered(alone, {table.key}) && !is_covered(alone, indexes))
    indexes.insert(indexes.begin(), alone);
  return indexes;
}

std::string create_index(const schema::Table& table, const std::vector<std::string>& columns) {
  std::string name = "rowgate_index_" + table.name;
  for (const std::string& column : columns) name += "_" + column;
  return fmt::format("CREATE INDEX IF NOT EXISTS {} ON {} ({})", schema::quote_identifier(name),
                     schema::quote_identifier(table.name), name_list(columns));
}

std::string delete_older(const schema::Table& table) {
  // The rowid has three names, of which a column may take one or two.
  std::string_view rowid = "rowid";
  for (const std::string_view name : {"rowid", "_rowid_", "oid"}) {
    rowid = name;
    if (!std::ranges::any_of(table.columns, [&](const schema::Column& column) {
          return same_name_ignoring_case(column.name, name);
        }))
      break;
  }
  return fmt::format("DELETE FROM {0} WHERE {1} IN (SELECT {1} FROM {0} WHERE {2} < ?1 LIMIT ?2)",
                     schema::quote_identifier(table.name), rowid,
                     schema::quote_identifier(table.time_column));
}

std::string insert_row(const schema::Table& table) {
  std::string sql =
      fmt::format("INSERT INTO {}{} ({}) VALUES (", schema::quote_identifier(table.name),
                  conflict_alias(table), column_list(table));
  for (std::size_t i = 0; i < table.columns.size(); ++i) sql += i ? ", ?" : "?";
  return sql + ")" + on_conflict(table);
}

namespace {

/// What SQLite has nothing for.
void note_wishes(const schema::Table& wanted, Changes& changes) {
  const schema::Storage& storage = wanted.storage;
  std::string wishes;
  const auto wish = [&](bool asked, std::string_view word) {
    if (asked) wishes += fmt::format("{}{}", wishes.empty() ? "" : ", ", word);
  };
  wish(storage.partition.has_value(), "partitions");
  wish(storage.hypertable.has_value(), "a hypertable");
  wish(!storage.distributed.empty(), "a distributed table");
  if (wishes.empty()) return;
  changes.notes.push_back(
      fmt::format("table {}: {} asked for, which SQLite does not have; it is one plain table{}",
                  wanted.name, wishes + (wishes.starts_with("part") ? " were" : " was"),
                  storage.retention ? ", and the retention deletes rows in small steps" : ""));
}

void plan_columns(const ExistingTable& existing, const schema::Table& wanted, Changes& changes) {
  for (const schema::Column& column : wanted.columns) {
    const auto at = std::ranges::find_if(existing.columns, [&](const ExistingColumn& c) {
      return same_name_ignoring_case(c.name, column.name);
    });
    if (at == existing.columns.end()) {
      if (in_key(wanted, column.name))
        changes.misfits.push_back(missing_key_column(wanted, column));
      else
        changes.add(add_column(wanted, column));
    } else if (at->generated) {
      changes.misfits.push_back(generated_column(wanted, column));
    } else if (!keeps(affinity(at->declared, existing.strict), column.type, existing.strict)) {
      changes.misfits.push_back(
          does_not_fit(wanted, column, at->declared, column_type(column.type)));
    }
  }
  for (const ExistingColumn& column : existing.columns) {
    const bool filled = std::ranges::any_of(wanted.columns, [&](const schema::Column& c) {
      return same_name_ignoring_case(c.name, column.name);
    });
    if (!filled && column.not_null && !column.has_default && !column.generated)
      changes.misfits.push_back(never_filled(wanted, column.name));
  }
}

}  // namespace

Changes plan_changes(const ExistingTable* existing, const schema::Table& wanted) {
  Changes changes;
  note_wishes(wanted, changes);
  if (!existing) {
    changes.add(create_table(wanted));
    for (const auto& columns : index_columns(wanted)) changes.add(create_index(wanted, columns));
    return changes;
  }
  if (existing->view) {
    changes.misfits.push_back(not_a_table(wanted, "view"));
    return changes;
  }
  plan_columns(*existing, wanted, changes);
  if (!wanted.key.empty() && !has_unique_key(existing->unique_keys, wanted.key))
    changes.add(create_key(wanted));
  for (const auto& columns : index_columns(wanted)) {
    if (!is_covered(columns, existing->indexes)) changes.add(create_index(wanted, columns));
  }
  if (!changes.misfits.empty()) changes.steps.clear();
  return changes;
}

}  // namespace rowgate::storage::sqlite
