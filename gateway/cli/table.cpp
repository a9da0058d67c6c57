#include "gateway/cli/table.hpp"

#include <algorithm>
#include <string_view>

#include "gateway/cli/text.hpp"

namespace rowgate::cli {
namespace {

using Cell = std::optional<std::string>;

// ---- table

/// -12, 3.5, 1e-7: what reads better aligned at its right end.
bool looks_numeric(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string_view::npos &&
         text.find_first_of("0123456789") != std::string_view::npos;
}

std::string cell_text(const Cell& cell) {
  if (!cell) return "NULL";
  std::string text;
  append_printable(text, *cell);
  return text;
}

void append_padded(std::string& line, std::string_view text, std::size_t to, bool right) {
  const std::size_t own = width(text);
  const std::string padding(to > own ? to - own : 0, ' ');
  line += right ? padding : std::string();
  line += text;
  line += right ? std::string() : padding;
}

void print_line(std::ostream& out, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  out << line << '\n';
}

void print_table(std::ostream& out, const storage::QueryResult& rows) {
  const std::size_t columns = rows.columns.size();
  std::vector<std::vector<std::string>> texts;
  std::vector<std::size_t> widths(columns);
  std::vector<bool> numeric(columns, true);
  std::vector<std::string> names(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    append_printable(names[c], rows.columns[c]);
    widths[c] = width(names[c]);
  }
  for (const auto& row : rows.rows) {
    auto& line = texts.emplace_back();
    for (std::size_t c = 0; c < columns; ++c) {
      line.push_back(cell_text(row[c]));
      widths[c] = std::max(widths[c], width(line.back()));
      if (row[c] && !looks_numeric(*row[c])) numeric[c] = false;
    }
  }
  std::string header;
  std::string rule;
  for (std::size_t c = 0; c < columns; ++c) {
    if (c > 0) {
      header += "  ";
      rule += "  ";
    }
    append_padded(header, names[c], widths[c], numeric[c] && !texts.empty());
    rule += std::string(widths[c], '-');
  }
  print_line(out, header);
  print_line(out, rule);
  for (const auto& row : texts) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      if (c > 0) line += "  ";
      append_padded(line, row[c], widths[c], numeric[c]);
    }
    print_line(out, std::move(line));
  }
  out << '(' << texts.size() << (texts.size() == 1 ? " row)\n" : " rows)\n");
}

// ---- csv

std::string csv_field(std::string_view text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void print_csv(std::ostream& out, const storage::QueryResult& rows) {
  std::string line;
  for (const std::string& name : rows.columns) {
    if (!line.empty()) line += ',';
    line += csv_field(name);
  }
  out << line << '\n';
  for (const auto& row : rows.rows) {
    line.clear();
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c > 0) line += ',';
      if (row[c]) line += csv_field(*row[c]);
    }
    out << line << '\n';
  }
}

// ---- json

void print_json(std::ostream& out, const storage::QueryResult& rows) {
  out << '[';
  std::string object;
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    object = r == 0 ? "\n  {" : ",\n  {";
    for (std::size_t c = 0; c < rows.columns.size(); ++c) {
      if (c > 0) object += ", ";
      append_json(object, rows.columns[c]);
      object += ": ";
      const Cell& cell = rows.rows[r][c];
      if (cell) {
        append_json(object, *cell);
      } else {
        object += "null";
      }
    }
    out << object << '}';
  }
  out << (rows.rows.empty() ? "]\n" : "\n]\n");
}

}  // namespace

void print_rows(std::ostream& out, Format format, const storage::QueryResult& rows) {
  switch (format) {
    case Format::table:
      return print_table(out, rows);
    case Format::csv:
      return print_csv(out, rows);
    case Format::json:
      return print_json(out, rows);
  }
}

void print_record(std::ostream& out, Format format,
                  const std::vector<std::pair<std::string, std::string>>& record) {
  if (format == Format::table) {
    std::size_t widest = 0;
    for (const auto& [name, value] : record) widest = std::max(widest, width(name));
    for (const auto& [name, value] : record) {
      std::string line;
      append_padded(line, name, widest, false);
      line += "  ";
      append_printable(line, value);
      print_line(out, std::move(line));
    }
    return;
  }
  storage::QueryResult rows;
  rows.rows.emplace_back();
  for (const auto& [name, value] : record) {
    rows.columns.push_back(name);
    rows.rows.back().emplace_back(value);
  }
  print_rows(out, format, rows);
}

}  // namespace rowgate::cli
