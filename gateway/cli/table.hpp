#pragma once
// Prints rows for people (an aligned table), spreadsheets (CSV) and programs (JSON).
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "storage/sink/sink.hpp"

namespace rowgate::cli {

enum class Format : std::uint8_t {
  table,  // aligned columns, NULL as NULL, control characters escaped, the number of rows below
  csv,    // RFC 4180 quoting, lines end in LF; NULL is an empty field, an empty text ""
  json,   // an array of objects, keys in the order of the columns; values are strings or null
};

using Cell = std::optional<std::string>;

/// CSV or JSON row by row, for what may be larger than memory. Precondition: not Format::table.
class RowStream {
 public:
  RowStream(std::ostream& out, Format format, std::vector<std::string> columns);
  /// Precondition: one cell a column.
  void row(const std::vector<Cell>& cells);
  void end();

 private:
  std::ostream& out_;
  Format format_;
  std::vector<std::string> columns_;
  bool first_ = true;
  std::string line_;
};

void print_rows(std::ostream& out, Format format, const storage::QueryResult& rows);

/// One row: as a table `name  value` lines, otherwise as print_rows with one row.
void print_record(std::ostream& out, Format format,
                  const std::vector<std::pair<std::string, std::string>>& record);

}  // namespace rowgate::cli
