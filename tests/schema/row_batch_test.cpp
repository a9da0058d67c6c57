#include "schema/row_batch.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace rowgate::schema {
namespace {

Table two_columns() {
  return {.name = "t",
          .columns = {{"a", Type::bigint, false}, {"b", Type::text, false}},
          .key = {},
          .on_conflict = OnConflict::ignore,
          .time_column = ""};
}

TEST(RowBatch, a_new_row_is_null_also_where_a_dropped_row_was) {
  RowBatch batch(two_columns());
  batch.add_row(1)[0] = Value::of_bigint(5);
  batch.drop_last_row();
  EXPECT_EQ(batch.rows(), 0U);
  batch.add_row(2);
  EXPECT_TRUE(batch.row(0)[0].is_null());
  EXPECT_EQ(batch.source(0), 2U);
}

TEST(RowBatch, add_column_keeps_the_rows_and_gives_them_null) {
  RowBatch batch(two_columns());
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto row = batch.add_row(i);
    row[0] = Value::of_bigint(i);
    row[1] = Value::of_bytes(Type::text, batch.arena().copy("x" + std::to_string(i)));
  }
  EXPECT_EQ(batch.add_column({"c", Type::boolean, false}), 2U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(batch.row(i).size(), 3U);
    EXPECT_EQ(batch.row(i)[0].as_bigint(), static_cast<std::int64_t>(i));
    EXPECT_EQ(batch.row(i)[1].as_bytes(), "x" + std::to_string(i));
    EXPECT_TRUE(batch.row(i)[2].is_null());
  }
  EXPECT_EQ(batch.last_row().size(), 3U);
}

TEST(RowBatch, remove_column_takes_the_rows_that_have_a_value_there) {
  RowBatch batch(two_columns());
  batch.add_column({"c", Type::boolean, false});
  for (std::uint32_t i = 0; i < 4; ++i) {
    const auto row = batch.add_row(10 + i);
    row[0] = Value::of_bigint(i);
    if (i % 2 == 1) row[1] = Value::of_bytes(Type::text, "x");
    row[2] = Value::of_bool(true);
  }
  batch.remove_column(1);
  ASSERT_EQ(batch.table().columns.size(), 2U);
  EXPECT_EQ(batch.table().columns[1].name, "c");
  ASSERT_EQ(batch.rows(), 2U);
  EXPECT_EQ(batch.source(1), 12U);
  ASSERT_EQ(batch.row(1).size(), 2U);
  EXPECT_EQ(batch.row(1)[0].as_bigint(), 2);
  EXPECT_TRUE(batch.row(1)[1].as_bool());
  EXPECT_EQ(batch.add_row(14).size(), 2U);
}

TEST(RowBatch, clear_keeps_the_columns) {
  RowBatch batch(two_columns());
  batch.add_column({"c", Type::boolean, false});
  batch.add_row(0);
  batch.clear();
  EXPECT_EQ(batch.rows(), 0U);
  EXPECT_EQ(batch.add_row(0).size(), 3U);
}

TEST(Arena, keeps_what_was_written_while_it_grows) {
  Arena arena;
  std::vector<std::string_view> views;
  for (int i = 0; i < 20'000; ++i) views.push_back(arena.copy("value " + std::to_string(i)));
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(views[static_cast<std::size_t>(i)], "value " + std::to_string(i));
  }
}

TEST(Arena, takes_pieces_larger_than_a_block_and_none_at_all) {
  Arena arena;
  const std::string big(10U << 20, 'x');
  EXPECT_EQ(arena.copy(big), big);
  EXPECT_EQ(arena.copy(""), "");
  EXPECT_EQ(arena.used(), big.size());
}

TEST(Arena, uses_its_blocks_again_after_clear) {
  Arena arena;
  const char* first = arena.allocate(100);
  arena.allocate(200'000);
  arena.clear();
  EXPECT_EQ(arena.used(), 0U);
  EXPECT_EQ(arena.allocate(100), first);
}

}  // namespace
}  // namespace rowgate::schema
