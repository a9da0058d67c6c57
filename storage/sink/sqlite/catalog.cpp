// What a SQLite database says about its tables: the PRAGMA side of lane.hpp.
#include <sqlite3.h>

#include "storage/sink/sqlite/lane.hpp"

namespace rowgate::storage::sqlite {
namespace {

/// Runs a pragma function with the table's (or index's) name and hands each row to `take`.
template <class Take>
SinkResult<void> for_each(const Connection& connection, std::string_view sql,
                          const std::string& name, Take take) {
  auto statement = Statement::prepare(connection, sql);
  if (!statement) return statement.error();
  statement->bind_text(1, name);
  int code = SQLITE_DONE;
  while ((code = statement->step()) == SQLITE_ROW) take(*statement);
  if (code != SQLITE_DONE) return connection.error(code, "read the schema of " + name);
  return {};
}

SinkResult<void> read_keys(const Connection& connection, const std::string& name,
                           ExistingTable& table) {
  std::vector<std::pair<std::string, bool>> indexes;  // name, unique
  auto read = for_each(
      connection, "SELECT name, \"unique\" FROM pragma_index_list(?1) WHERE NOT partial", name,
      [&](const Statement& row) { indexes.emplace_back(row.text(0), row.integer(1) != 0); });
  if (!read) return read;
  for (const auto& [index, unique] : indexes) {
    std::vector<std::string> columns;  // an expression has no name
    read = for_each(connection, "SELECT name FROM pragma_index_info(?1)", index,
                    [&](const Statement& row) { columns.emplace_back(row.text(0)); });
    if (!read) return read;
    table.indexes.push_back(columns);
    if (unique) table.unique_keys.push_back(std::move(columns));
  }
  return {};
}

}  // namespace

SinkResult<std::optional<ExistingTable>> read_table(const Connection& connection,
                                                    const std::string& name) {
  ExistingTable table;
  bool exists = false;
  auto read =
      for_each(connection, "SELECT type, strict FROM pragma_table_list(?1) WHERE schema = 'main'",
               name, [&](const Statement& row) {
                 exists = true;
                 table.view = row.text(0) == "view";
                 table.strict = row.integer(1) != 0;
               });
  if (!read) return read.error();
  if (!exists) return std::optional<ExistingTable>();

  std::size_t key_columns = 0;
  std::string rowid;
  read = for_each(
      connection,
      "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, hidden IN (2, 3), pk "
      "FROM pragma_table_xinfo(?1) WHERE hidden != 1",
      name, [&](const Statement& row) {
        const bool key = row.integer(5) != 0;
        const bool integer = sqlite3_stricmp(row.text(1).data(), "INTEGER") == 0;
        key_columns += key;
        if (key && integer) rowid = row.text(0);
        table.columns.push_back({std::string(row.text(0)), std::string(row.text(1)),
                                 row.integer(2) != 0, row.integer(3) != 0, row.integer(4) != 0});
      });
  if (!read) return read.error();
  // INTEGER PRIMARY KEY is the rowid: unique without an index, and filled where it is left out.
  if (key_columns == 1 && !rowid.empty()) {
    table.unique_keys.push_back({rowid});
    for (ExistingColumn& column : table.columns) column.has_default |= column.name == rowid;
  }
  if (const auto keys = read_keys(connection, name, table); !keys) return keys.error();
  return std::optional<ExistingTable>(std::move(table));
}

SinkResult<Changes> plan_table(const Connection& connection, const schema::Table& table) {
  const auto existing = read_table(connection, table.name);
  if (!existing) return existing.error();
  return plan_changes(*existing ? &**existing : nullptr, table);
}

}  // namespace rowgate::storage::sqlite
