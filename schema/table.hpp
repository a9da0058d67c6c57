#pragma once
// What a table looks like to a mapping: names as the user wrote them, unquoted. Plain data.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/value.hpp"

namespace rowgate::schema {

struct Column {
  std::string name;
  Type type = Type::text;
  bool not_null = false;  // `required = true`: declared NOT NULL in a table the gateway creates
  bool operator==(const Column&) const = default;
};

/// What a row whose key exists already does.
enum class OnConflict : std::uint8_t {
  ignore,
  update,
  latest,  // update, unless the row that is there has a later time
};

/// The index on the time column.
enum class TimeIndex : std::uint8_t {
  by_default,  // PostgreSQL: BRIN; SQLite: none, or a B-tree where there is a retention
  brin,        // SQLite has none: as none
  btree,
  none,
};

/// What a partition holds: from a full hour, midnight, Monday or the first of the month on, UTC.
enum class Span : std::uint8_t { hour, day, week, month };

/// TimescaleDB's settings.
struct Hypertable {
  std::chrono::seconds chunk{};
  std::optional<std::chrono::seconds> compress_after{};
  std::vector<std::string> compress_by{};  // columns
  bool operator==(const Hypertable&) const = default;
};

/// How the database keeps the table: the [table.NAME] section of the mapping file. What a database
/// cannot do is left out there, with a note.
struct Storage {
  TimeIndex index = TimeIndex::by_default;
  std::vector<std::vector<std::string>> indexes{};  // more B-trees, by their columns
  std::optional<Span> partition{};                  // PostgreSQL: RANGE over the time column
  std::optional<std::chrono::seconds> retention{};  // rows go when their time is so long ago
  std::optional<Hypertable> hypertable{};
  std::string distributed{};  // Citus: the distribution column; empty: not distributed
  bool operator==(const Storage&) const = default;
};

struct Table {
  std::string name;  // "room_climate", or "plant.room_climate" in schema `plant` (PostgreSQL)
  std::vector<Column> columns;
  std::vector<std::string> key{};  // column names; empty: no key, every message is a new row
  OnConflict on_conflict = OnConflict::ignore;
  std::string time_column{};  // gets the index that `storage` names; empty: none
  Storage storage{};
  /// It holds the last row of each key of this table of the Catalog (latest_rows.hpp fills it).
  std::optional<std::size_t> latest_of{};

  std::optional<std::size_t> column(std::string_view column_name) const noexcept;
  bool operator==(const Table&) const = default;
};

/// A name usable as a table or column: 1 to 63 bytes of UTF-8 without NUL (PostgreSQL cuts longer
/// ones off silently; we refuse them).
bool is_identifier(std::string_view name) noexcept;

/// `name` or `schema.name`, each an identifier.
bool names_a_table(std::string_view name) noexcept;
/// `plant.room` -> `room`.
std::string_view last_part(std::string_view table_name) noexcept;
/// Its last part begins as the names of the gateway, SQLite and PostgreSQL do.
bool is_reserved_table(std::string_view name) noexcept;

/// SQL's quoted form, embedded quotes doubled: `"room climate"`.
std::string quote_identifier(std::string_view name);
/// Quotes `schema.table` part by part.
std::string quote_table(std::string_view name);

}  // namespace rowgate::schema
