#include "gateway/cli/table.hpp"

#include <algorithm>
#include <string_view>

#include "gateway/cli/text.hpp"

namespace rowgate::cli {
namespace {

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

}  // namespace

RowStream::RowStream(std::ostream& out, Format format, std::vector<std::string> columns)
    : out_(out), format_(format), columns_(std::move(columns)) {
  if (format_ == Format::json) {
    out_ << '[';
    return;
  }
  for (const std::string& name : columns_) {
    if (!line_.empty()) line_ += ',';
    line_ += csv_field(name);
  }
  out_ << line_ << '\n';
}

void RowStream::row(const std::vector<Cell>& cells) {
  line_.clear();
  if (format_ == Format::json) line_ = first_ ? "\n  {" : ",\n  {";
  first_ = false;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (format_ == Format::csv) {
      if (c > 0) line_ += ',';
      if (cells[c]) line_ += csv_field(*cells[c]);
      continue;
    }
    if (c > 0) line_ += ", ";
    append_json(line_, columns_[c]);
    line_ += ": ";
    if (cells[c]) {
      append_json(line_, *cells[c]);
    } else {
      line_ += "null";
    }
  }
  out_ << line_ << (format_ == Format::json ? "}" : "\n");
}

void RowStream::end() {
  if (format_ == Format::json) out_ << (first_ ? "]\n" : "\n]\n");
}

void print_rows(std::ostream& out, Format format, const storage::QueryResult& rows) {
  if (format == Format::table) return print_table(out, rows);
  RowStream stream(out, format, rows.columns);
  for (const auto& row : rows.rows) stream.row(row);
  stream.end();
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
