#include "storage/sink/postgres/ddl.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace rowgate::storage::postgres {
namespace {

using schema::Type;

// src/include/catalog/pg_type.dat: OIDs of built-in types never change.
enum Oid : unsigned {
  bool_oid = 16,
  bytea_oid = 17,
  int8_oid = 20,
  int2_oid = 21,
  int4_oid = 23,
  text_oid = 25,
  json_oid = 114,
  float4_oid = 700,
  float8_oid = 701,
  bpchar_oid = 1042,
  varchar_oid = 1043,
  timestamptz_oid = 1184,
  numeric_oid = 1700,
  uuid_oid = 2950,
  jsonb_oid = 3802
};

std::string stage_name(const std::string& stage) {
  return "pg_temp." + schema::quote_identifier(stage);
}

}  // namespace

// fillfactor leaves room for HOT updates: the row is updated with every commit.
const char* const create_checkpoint =
    "CREATE TABLE rowgate_checkpoint (gateway text NOT NULL, lane integer NOT NULL, journal_id "
    "text NOT NULL, position bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), "
    "PRIMARY KEY (gateway, lane)) WITH (fillfactor = 20)";

std::string_view column_type(Type type) noexcept {
  return type == Type::double_precision ? "double precision" : schema::type_name(type);
}

std::pair<std::string_view, std::string_view> split_name(std::string_view name) noexcept {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return {{}, name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

std::string add_column(const schema::Table& table, const schema::Column& column) {
  return fmt::format("ALTER TABLE {} ADD COLUMN {} {}", schema::quote_table(table.name),
                     schema::quote_identifier(column.name), column_type(column.type));
}

std::string create_key(const schema::Table& table) {
  return fmt::format("CREATE UNIQUE INDEX ON {} ({})", schema::quote_table(table.name),
                     key_list(table));
}

std::string copy_into(const schema::Table& table) {
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", schema::quote_table(table.name),
                     column_list(table));
}

std::string create_stage(const schema::Table& table, const std::string& stage) {
  // The target's own types, so that a value which does not fit fails here or there alike.
  return fmt::format(
      "DROP TABLE IF EXISTS {0}; CREATE TEMPORARY TABLE {1} ON COMMIT DELETE ROWS AS SELECT "
      "NULL::bigint AS rowgate_ordinal, {2} FROM {3} WITH NO DATA",
      stage_name(stage), schema::quote_identifier(stage), column_list(table),
      schema::quote_table(table.name));
}

std::string copy_into_stage(const schema::Table& table, const std::string& stage) {
  return fmt::format("COPY {} (rowgate_ordinal, {}) FROM STDIN (FORMAT binary)", stage_name(stage),
                     column_list(table));
}

std::string merge_stage(const schema::Table& table, const std::string& stage) {
  const bool update = table.on_conflict != schema::OnConflict::ignore;
  const bool latest = table.on_conflict == schema::OnConflict::latest;
  const std::string key = key_list(table);
  // DO UPDATE may not meet a row twice in one statement; DO NOTHING may.
  return fmt::format("INSERT INTO {}{} ({}) SELECT {}{} FROM {} ORDER BY {}, {}rowgate_ordinal{}{}",
                     schema::quote_table(table.name), conflict_alias(table), column_list(table),
                     update ? fmt::format("DISTINCT ON ({}) ", key) : "", column_list(table),
                     stage_name(stage), key,
                     latest ? schema::quote_identifier(table.time_column) + " DESC, " : "",
                     update ? " DESC" : "", on_conflict(table));
}

std::optional<Wire> wire_of(Type type, unsigned oid) noexcept {
  const auto when = [](bool fits, Wire wire) -> std::optional<Wire> {
    return fits ? std::optional(wire) : std::nullopt;
  };
  switch (type) {
    case Type::boolean:
      return when(oid == bool_oid, Wire::boolean);
    case Type::bigint:
      if (oid == int4_oid) return Wire::int4;
      if (oid == int2_oid) return Wire::int2;
      return when(oid == int8_oid, Wire::int8);
    case Type::double_precision:
      if (oid == float4_oid) return Wire::float4;
      return when(oid == float8_oid, Wire::float8);
    case Type::text:
      return when(oid == text_oid || oid == varchar_oid || oid == bpchar_oid, Wire::bytes);
    case Type::timestamptz:
      return when(oid == timestamptz_oid, Wire::timestamptz);
    case Type::jsonb:
      if (oid == json_oid || oid == text_oid) return Wire::bytes;
      return when(oid == jsonb_oid, Wire::jsonb);
    case Type::bytea:
      return when(oid == bytea_oid, Wire::bytes);
    case Type::uuid:
      return when(oid == uuid_oid, Wire::bytes);
    case Type::numeric:
      return when(oid == numeric_oid, Wire::numeric);
  }
  return std::nullopt;
}

}  // namespace rowgate::storage::postgres
