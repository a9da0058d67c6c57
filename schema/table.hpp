#pragma once
// What a table looks like to a mapping: names as the user wrote them, unquoted. Plain data.
#include <cstddef>
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
enum class OnConflict : std::uint8_t { ignore, update };

struct Table {
  std::string name;  // "room_climate", or "plant.room_climate" in schema `plant` (PostgreSQL)
  std::vector<Column> columns;
  std::vector<std::string> key;  // column names; empty: no key, every message is a new row
  OnConflict on_conflict = OnConflict::ignore;
  std::string time_column;  // gets the default index (BRIN on PostgreSQL); empty: none

  std::optional<std::size_t> column(std::string_view column_name) const noexcept;
  bool operator==(const Table&) const = default;
};

/// A name usable as a table or column: 1 to 63 bytes of UTF-8 without NUL (PostgreSQL cuts longer
/// ones off silently; we refuse them).
bool is_identifier(std::string_view name) noexcept;

/// SQL's quoted form, embedded quotes doubled: `"room climate"`.
std::string quote_identifier(std::string_view name);
/// Quotes `schema.table` part by part.
std::string quote_table(std::string_view name);

}  // namespace rowgate::schema
