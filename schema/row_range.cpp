#include "schema/row_range.hpp"

#include <algorithm>
#include <charconv>

namespace rowgate::schema {

std::string format_rows(std::span<const RowRange> rows) {
  std::string out;
  for (const RowRange& range : rows) {
    if (!out.empty()) out += ',';
    out += std::to_string(range.first);
    if (range.last == range.first) continue;
    out += '-';
    if (range.last != RowRange::open_end) out += std::to_string(range.last);
  }
  return out;
}

std::optional<std::vector<RowRange>> parse_rows(std::string_view text) {
  std::vector<RowRange> rows;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    RowRange range;
    const auto first = std::from_chars(at, end, range.first);
    if (first.ec != std::errc()) return std::nullopt;
    range.last = range.first;
    at = first.ptr;
    if (at != end && *at == '-') {
      ++at;
      range.last = RowRange::open_end;
      if (at != end && *at != ',') {
        const auto last = std::from_chars(at, end, range.last);
        if (last.ec != std::errc()) return std::nullopt;
        at = last.ptr;
      }
    }
    if (range.last < range.first || (!rows.empty() && range.first <= rows.back().last)) {
      return std::nullopt;
    }
    rows.push_back(range);
    if (at == end) break;
    if (*at != ',' || ++at == end) return std::nullopt;
  }
  return rows;
}

bool contains(std::span<const RowRange> rows, std::uint32_t row) noexcept {
  return std::any_of(rows.begin(), rows.end(), [row](const RowRange& range) {
    return range.first <= row && row <= range.last;
  });
}

void append_row(std::vector<RowRange>& rows, std::uint32_t row) {
  if (!rows.empty() && rows.back().last + 1 == row) {
    rows.back().last = row;
  } else {
    rows.push_back({row, row});
  }
}

}  // namespace rowgate::schema
