#pragma once
// SQLite's side of a Table: its DDL, its insert statement, and whether an existing table can take
// the rows. Pure text; any thread.
//
// SQLite has no schemas: `plant.room` is one table whose name has a dot in it.
#include <string>
#include <string_view>
#include <vector>

#include "schema/table.hpp"
#include "storage/sink/fit.hpp"

namespace rowgate::storage::sqlite {

/// The declared type: BOOLEAN and BIGINT hold integers, timestamps are ISO 8601 TEXT, uuid, numeric
/// and jsonb are TEXT, bytea is BLOB.
std::string_view column_type(schema::Type type) noexcept;

/// With a key: key columns NOT NULL and a UNIQUE constraint over them.
std::string create_table(const schema::Table& table);
/// What table.storage asks for, and a B-tree on the time column where there is a retention: the
/// rows past it are looked for again and again.
std::vector<std::vector<std::string>> index_columns(const schema::Table& table);
std::string create_index(const schema::Table& table, const std::vector<std::string>& columns);
std::string add_column(const schema::Table& table, const schema::Column& column);
std::string create_key(const schema::Table& table);
/// One parameter a column, in the table's order.
std::string insert_row(const schema::Table& table);

/// rowgate_checkpoint(gateway, lane, journal_id, position, updated_at).
extern const char* const create_checkpoint;

struct ExistingColumn {
  std::string name;
  std::string declared;
  bool not_null = false;
  bool has_default = false;  // or is filled by SQLite itself
  bool generated = false;
};

struct ExistingTable {
  std::vector<ExistingColumn> columns{};
  std::vector<std::vector<std::string>> unique_keys{};
  std::vector<std::vector<std::string>> indexes{};  // whole ones, unique or not
  bool strict = false;
  bool view = false;
};

/// What makes `existing` (null: there is no such table) fit `wanted`, or the misfits.
Changes plan_changes(const ExistingTable* existing, const schema::Table& wanted);

/// Deletes at most ?2 rows whose time is before ?1.
std::string delete_older(const schema::Table& table);

}  // namespace rowgate::storage::sqlite
