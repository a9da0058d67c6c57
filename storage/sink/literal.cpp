#include "storage/sink/literal.hpp"

#include <fmt/format.h>

#include <cmath>

#include "storage/sink/fit.hpp"

namespace rowgate::storage {
namespace {

using schema::Type;
using schema::Value;

std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes)
    fmt::format_to(std::back_inserter(digits), "{:02x}", static_cast<unsigned char>(c));
  return digits;
}

std::string uuid(std::string_view bytes) {
  std::string digits = hex(bytes);
  for (const std::size_t at : {20U, 16U, 12U, 8U})
    if (digits.size() >= at) digits.insert(at, 1, '-');
  return digits;
}

std::string number(Dialect dialect, double v) {
  if (std::isfinite(v)) return fmt::format("{}", v);
  if (dialect == Dialect::sqlite) return std::isnan(v) ? "NULL" : v > 0 ? "9e999" : "-9e999";
  return std::isnan(v) ? "'NaN'" : v > 0 ? "'Infinity'" : "'-Infinity'";
}

}  // namespace

std::optional<std::string> unhex(std::string_view digits) {
  const auto nibble = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = nibble(digits[i]);
    const int low = nibble(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string text_literal(Dialect dialect, std::string_view text) {
  // PostgreSQL may be told (standard_conforming_strings) to take a backslash for an escape.
  const bool escaped = dialect == Dialect::postgres && text.find('\\') != std::string_view::npos;
  std::string quoted = escaped ? "E'" : "'";
  for (const char c : text) {
    if (c == '\'' || (escaped && c == '\\')) quoted += c;
    quoted += c;
  }
  quoted += '\'';
  return quoted;
}

std::string literal(Dialect dialect, const Value& value) {
  if (value.is_null()) return "NULL";
  const bool sqlite = dialect == Dialect::sqlite;
  switch (value.type()) {
    case Type::boolean:
      if (sqlite) return value.as_bool() ? "1" : "0";
      return value.as_bool() ? "true" : "false";
    case Type::bigint:
      return fmt::format("{}", value.as_bigint());
    case Type::double_precision:
      return number(dialect, value.as_double());
    case Type::timestamptz:
      return text_literal(dialect, to_iso8601(value.as_timestamp()));
    case Type::uuid:
      return text_literal(dialect, uuid(value.as_bytes()));
    case Type::bytea:
      return sqlite ? fmt::format("X'{}'", hex(value.as_bytes()))
                    : fmt::format("decode('{}', 'hex')", hex(value.as_bytes()));
    case Type::numeric:  // SQLite keeps its digits as text
      return sqlite ? text_literal(dialect, value.as_bytes()) : std::string(value.as_bytes());
    case Type::text:
    case Type::jsonb:
      return text_literal(dialect, value.as_bytes());
  }
  return "NULL";
}

std::string insert_text(Dialect dialect, const schema::RowBatch& rows, std::size_t row) {
  const schema::Table& table = rows.table();
  // SQLite has no schemas: a dot is part of the name.
  std::string sql = fmt::format("INSERT INTO {}{} ({}) VALUES (",
                                dialect == Dialect::sqlite ? schema::quote_identifier(table.name)
                                                           : schema::quote_table(table.name),
                                conflict_alias(table), column_list(table));
  const char* separator = "";
  for (const Value& value : rows.row(row)) {
    sql += separator;
    sql += literal(dialect, value);
    separator = ", ";
  }
  return sql + ")" + on_conflict(table) + ";";
}

}  // namespace rowgate::storage
