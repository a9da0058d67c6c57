#include "schema/table.hpp"

#include "schema/base/utf8.hpp"

namespace rowgate::schema {

std::optional<std::size_t> Table::column(std::string_view column_name) const noexcept {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == column_name) return i;
  }
  return std::nullopt;
}

bool is_identifier(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 63 && is_utf8(name) && !has_nul(name);
}

bool names_a_table(std::string_view name) noexcept {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return is_identifier(name);
  const std::string_view last = name.substr(dot + 1);
  return is_identifier(name.substr(0, dot)) && is_identifier(last) &&
         last.find('.') == std::string_view::npos;
}

std::string_view last_part(std::string_view table_name) noexcept {
  return table_name.substr(table_name.find('.') + 1);  // npos + 1 is 0
}

bool is_reserved_table(std::string_view name) noexcept {
  const std::string_view last = last_part(name);
  return last.starts_with("rowgate_") || last.starts_with("sqlite_") || last.starts_with("pg_");
}

std::string quote_identifier(std::string_view name) {
  std::string out;
  out.reserve(name.size() + 2);
  out.push_back('"');
  for (const char c : name) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

std::string quote_table(std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return quote_identifier(name);
  return quote_identifier(name.substr(0, dot)) + "." + quote_identifier(name.substr(dot + 1));
}

}  // namespace rowgate::schema
