#pragma once
// PostgreSQL's side of a Table: DDL, COPY and merge statements, and whether an existing table can
// take the rows. Pure text; any thread.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/table.hpp"
#include "storage/sink/fit.hpp"
#include "storage/sink/postgres/partitions.hpp"
#include "storage/sink/postgres/row_encoder.hpp"

namespace rowgate::storage::postgres {

std::string_view column_type(schema::Type type) noexcept;
/// `plant.room` -> {"plant", "room"}; no dot: an empty schema, found through search_path.
std::pair<std::string_view, std::string_view> split_name(std::string_view name) noexcept;

/// rowgate_checkpoint(gateway, lane, journal_id, position, updated_at).
extern const char* const create_checkpoint;

/// What the database around the table has.
enum class Extension : std::uint8_t {
  unknown,    // the server does not have it
  available,  // CREATE EXTENSION would make it
  installed,
};
struct Surroundings {
  bool schema_exists = true;
  Extension timescaledb = Extension::unknown;
  Extension citus = Extension::unknown;
  Timestamp now{};  // partitions are made for it
};

/// With a key: PRIMARY KEY over it. With a time column: an index on it, BRIN by default. And what
/// table.storage asks for, as far as the surroundings allow; the rest becomes notes.
void create_table(const schema::Table& table, const Surroundings& around, Changes& changes);
std::string add_column(const schema::Table& table, const schema::Column& column);
std::string create_key(const schema::Table& table);

/// COPY straight into a table without a key.
std::string copy_into(const schema::Table& table);
/// A table with a key takes rows through a temporary one: the rows' columns after an ordinal.
std::string create_stage(const schema::Table& table, const std::string& stage);
std::string copy_into_stage(const schema::Table& table, const std::string& stage);
/// In key order (locality, and no deadlock between lanes). Within the stage the first row of a key
/// wins for `ignore`, the last for `update`.
std::string merge_stage(const schema::Table& table, const std::string& stage);

struct ExistingColumn {
  std::string name;
  std::string type;       // for people, as format_type() prints it
  unsigned type_oid = 0;  // a domain's base type
  bool not_null = false;
  bool has_default = false;
  bool generated = false;
};
struct ExistingTable {
  char kind = 'r';  // pg_class.relkind
  std::vector<ExistingColumn> columns{};
  std::vector<std::vector<std::string>> unique_keys{};
  std::vector<std::vector<std::string>> btrees{};  // whole ones, unique or not, by their columns
  std::vector<std::string> brins{};                // columns that a BRIN index begins with
  std::string partition_key{};                     // as pg_get_partkeydef(): RANGE (ts)
  std::vector<std::string> partition_columns{};
  std::vector<Partition> partitions{};  // in a partitioned table
  bool hypertable = false;
  bool distributed = false;

  /// Partitioned by ranges of this column alone.
  bool by_range_of(std::string_view column) const;
};

/// How a value of `type` goes into a column of the type with this OID; nullopt: it does not.
std::optional<Wire> wire_of(schema::Type type, unsigned oid) noexcept;
/// What makes `existing` (null: there is no such table) fit `wanted`, or the misfits.
Changes plan_changes(const ExistingTable* existing, const schema::Table& wanted,
                     const Surroundings& around);

/// Deletes at most `limit` rows of `from`, the table or one of its partitions (quoted), whose time
/// is before `before`; returns their number.
std::string delete_older(const schema::Table& table, const std::string& from, Timestamp before,
                         std::size_t limit);
/// `name` is quoted.
std::string drop_partition(const std::string& name);

}  // namespace rowgate::storage::postgres
