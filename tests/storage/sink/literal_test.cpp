// Statements for people, as text: they must run as they are, and store what the sink stores.
#include "storage/sink/literal.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rowgate::storage {
namespace {

using schema::Type;
using schema::Value;

std::string both(const Value& value) {
  return literal(Dialect::sqlite, value) + " | " + literal(Dialect::postgres, value);
}

TEST(Literal, OfEveryTypeInEitherDialect) {
  EXPECT_EQ(both(Value()), "NULL | NULL");
  EXPECT_EQ(both(Value::of_bool(true)), "1 | true");
  EXPECT_EQ(both(Value::of_bigint(-9)), "-9 | -9");
  EXPECT_EQ(both(Value::of_double(21.5)), "21.5 | 21.5");
  EXPECT_EQ(both(Value::of_double(std::numeric_limits<double>::infinity())), "9e999 | 'Infinity'");
  EXPECT_EQ(both(Value::of_double(std::nan(""))), "NULL | 'NaN'");
  EXPECT_EQ(both(Value::of_bytes(Type::text, "it's \\ ok")), "'it''s \\ ok' | E'it''s \\\\ ok'");
  EXPECT_EQ(both(Value::of_bytes(Type::jsonb, R"({"a": 1})")), R"('{"a": 1}' | '{"a": 1}')");
  EXPECT_EQ(both(Value::of_bytes(Type::bytea, std::string_view("\0\xff", 2))),
            "X'00ff' | decode('00ff', 'hex')");
  EXPECT_EQ(both(Value::of_bytes(Type::numeric, "12.50")), "'12.50' | 12.50");
  EXPECT_EQ(literal(Dialect::postgres, Value::of_bytes(Type::uuid, "0123456789abcdef")),
            "'30313233-3435-3637-3839-616263646566'");
  EXPECT_EQ(literal(Dialect::sqlite, Value::of_timestamp(Timestamp{1'700'000'000'000'000})),
            "'2023-11-14T22:13:20.000000Z'");
}

TEST(Literal, AnInsertNamesItsColumnsAndItsKey) {
  schema::RowBatch rows({.name = "plant.room",
                         .columns = {{"id", Type::text}, {"v", Type::bigint}},
                         .key = {"id"},
                         .on_conflict = schema::OnConflict::update});
  const auto row = rows.add_row(0);
  row[0] = Value::of_bytes(Type::text, "a");
  row[1] = Value::of_bigint(1);
  EXPECT_EQ(insert_text(Dialect::sqlite, rows, 0),
            "INSERT INTO \"plant.room\" (\"id\", \"v\") VALUES ('a', 1) ON CONFLICT (\"id\") DO "
            "UPDATE SET \"v\" = excluded.\"v\";");
  EXPECT_EQ(insert_text(Dialect::postgres, rows, 0).substr(0, 38),
            "INSERT INTO \"plant\".\"room\" (\"id\", \"v\")");
}

}  // namespace
}  // namespace rowgate::storage
