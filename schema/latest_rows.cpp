#include "schema/latest_rows.hpp"

#include <algorithm>
#include <cstring>

namespace rowgate::schema {
namespace {

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

/// Of one key, so all values in one place have one type.
bool append_key(std::string& out, std::span<const Value> row,
                const std::vector<std::size_t>& columns) {
  out.clear();
  for (const std::size_t column : columns) {
    const Value& value = row[column];
    if (value.is_null()) return false;
    switch (value.type()) {
      case Type::boolean:
      case Type::bigint:
      case Type::timestamptz:
        append(out, value.as_bigint());
        break;
      case Type::double_precision:
        append(out, value.as_double() + 0.0);  // -0.0 is 0.0
        break;
      default:
        append(out, value.as_bytes().size());
        out += value.as_bytes();
    }
  }
  return true;
}

}  // namespace

void LatestRows::fill(RowBatch& latest, const RowBatch& rows,
                      const std::function<bool(std::size_t row)>& left_out) {
  if (latest.table().columns != rows.table().columns) {
    Table table = latest.table();
    table.columns = rows.table().columns;
    latest = RowBatch(std::move(table));
  }
  latest.clear();
  const Table& table = latest.table();
  const auto time = table.column(table.time_column);
  std::vector<std::size_t> key;
  for (const std::string& name : table.key) {
    if (const auto column = table.column(name)) key.push_back(*column);
  }
  if (!time || key.size() != table.key.size()) return;

  last_.clear();
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::span<const Value> row = rows.row(i);
    if (row[*time].is_null() || !append_key(key_, row, key) || (left_out && left_out(i))) continue;
    const auto known = last_.find(std::string_view(key_));
    if (known == last_.end()) {
      last_.emplace(key_, i);
    } else if (row[*time].as_timestamp() >= rows.row(known->second)[*time].as_timestamp()) {
      known->second = i;
    }
  }
  order_.clear();
  for (const auto& [of, row] : last_) order_.push_back(row);
  std::sort(order_.begin(), order_.end());
  for (const std::size_t i : order_) {
    const std::span<Value> out = latest.add_row(rows.source(i));
    std::copy(rows.row(i).begin(), rows.row(i).end(), out.begin());
  }
}

}  // namespace rowgate::schema
