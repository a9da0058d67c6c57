#include "schema/latest_rows.hpp"

#include <gtest/gtest.h>

namespace rowgate::schema {
namespace {

Table readings() {
  return {
      "r", {{"ts", Type::timestamptz}, {"device", Type::text}, {"n", Type::bigint}}, {}, {}, "ts"};
}
Table latest_of_readings() {
  Table table = readings();
  table.name = "r_latest";
  table.key = {"device"};
  table.on_conflict = OnConflict::latest;
  return table;
}
void add(RowBatch& rows, std::int64_t ts, std::string_view device, std::int64_t n) {
  const auto row = rows.add_row(static_cast<std::uint32_t>(n));
  row[0] = Value::of_timestamp({ts});
  if (!device.empty()) row[1] = Value::of_bytes(Type::text, device);
  row[2] = Value::of_bigint(n);
}
std::string numbers(const RowBatch& rows) {
  std::string out;
  for (std::size_t i = 0; i < rows.rows(); ++i) out += to_text(rows.row(i)[2]) + " ";
  return out;
}

TEST(LatestRows, keeps_the_latest_of_each_key_and_of_equal_times_the_last) {
  RowBatch rows(readings());
  add(rows, 10, "a", 0);
  add(rows, 30, "a", 1);
  add(rows, 20, "a", 2);
  add(rows, 5, "b", 3);
  add(rows, 5, "b", 4);
  RowBatch latest(latest_of_readings());
  LatestRows last;
  last.fill(latest, rows);
  EXPECT_EQ(numbers(latest), "1 4 ");
  EXPECT_EQ(latest.source(1), 4U);
  last.fill(latest, rows);
  EXPECT_EQ(latest.rows(), 2U);
}

TEST(LatestRows, has_no_row_without_a_key_nor_one_that_is_left_out) {
  RowBatch rows(readings());
  add(rows, 10, "", 0);
  add(rows, 10, "a", 1);
  add(rows, 20, "a", 2);
  RowBatch latest(latest_of_readings());
  LatestRows().fill(latest, rows, [](std::size_t row) { return row == 2; });
  EXPECT_EQ(numbers(latest), "1 ");
}

TEST(LatestRows, takes_over_columns_that_messages_added) {
  RowBatch rows(readings());
  rows.add_column({"extra", Type::double_precision, false});
  add(rows, 10, "a", 1);
  rows.last_row()[3] = Value::of_double(2.5);
  RowBatch latest(latest_of_readings());
  LatestRows().fill(latest, rows);
  ASSERT_EQ(latest.table().columns.size(), 4U);
  EXPECT_EQ(latest.table().key, std::vector<std::string>{"device"});
  EXPECT_EQ(latest.row(0)[3].as_double(), 2.5);
}

}  // namespace
}  // namespace rowgate::schema
