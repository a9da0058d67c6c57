#include "storage/sink/key_order.hpp"

#include <algorithm>
#include <compare>
#include <numeric>

namespace rowgate::storage {
namespace {

using schema::Type;
using schema::Value;

/// NULL first, then as SQLite's BINARY collation and PostgreSQL's C collation order them. Only
/// locality depends on it, never what is stored.
int compare(const Value& a, const Value& b) noexcept {
  if (a.is_null() || b.is_null()) return static_cast<int>(b.is_null()) - a.is_null();
  switch (a.type()) {
    case Type::boolean:
    case Type::bigint:
    case Type::timestamptz:
      return (a.as_bigint() > b.as_bigint()) - (a.as_bigint() < b.as_bigint());
    case Type::double_precision:
      return (a.as_double() > b.as_double()) - (a.as_double() < b.as_double());
    default:
      return a.as_bytes().compare(b.as_bytes());
  }
}

}  // namespace

void key_order(const RowSlice& rows, std::vector<std::uint32_t>& order) {
  order.resize(rows.count);
  std::iota(order.begin(), order.end(), static_cast<std::uint32_t>(rows.first));
  const schema::Table& table = rows.batch->table();
  std::vector<std::size_t> key;
  for (const std::string& name : table.key)
    if (const auto column = table.column(name)) key.push_back(*column);
  if (key.empty()) return;

  const auto less = [&](std::uint32_t a, std::uint32_t b) {
    const auto left = rows.batch->row(a);
    const auto right = rows.batch->row(b);
    for (const std::size_t column : key)
      if (const int c = compare(left[column], right[column])) return c < 0;
    return false;
  };
  if (!std::ranges::is_sorted(order, less)) std::stable_sort(order.begin(), order.end(), less);
}

}  // namespace rowgate::storage
