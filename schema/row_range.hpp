#pragma once
// Which rows of a message of many: the verdicts in a dead letter. Pure; any thread.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rowgate::schema {

/// Rows of one message, by their number in it from 0 on.
struct RowRange {
  static constexpr std::uint32_t open_end = UINT32_MAX;
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // inclusive; open_end: to the last one
  bool operator==(const RowRange&) const = default;
};
/// "1,5-7,9-", as column `rows` of rowgate_dead_letter has them. Empty: the whole message.
std::string format_rows(std::span<const RowRange> rows);
/// nullopt: not such a text.
std::optional<std::vector<RowRange>> parse_rows(std::string_view text);

/// The ranges are in order and apart.
bool contains(std::span<const RowRange> rows, std::uint32_t row) noexcept;
/// Adds a row behind all that are there.
void append_row(std::vector<RowRange>& rows, std::uint32_t row);

}  // namespace rowgate::schema
