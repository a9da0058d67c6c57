// The gateway's own tables.
#include <algorithm>

#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/payload_text.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::schema {
namespace {

// Both tables begin alike; these are the indexes of what they share.
enum Shared : std::size_t { received_at, topic, client_id, qos, retain, payload, encoding };

void fill_shared(std::span<Value> row, Arena& arena, const Message& message) {
  const PayloadText text = payload_text(message.payload, arena);
  row[received_at] = Value::of_timestamp(message.received_at);
  row[topic] = Value::of_bytes(Type::text, message.topic);
  row[client_id] = Value::of_bytes(Type::text, message.client_id);
  row[qos] = Value::of_bigint(message.qos);
  row[retain] = Value::of_bool(message.retain);
  row[payload] = Value::of_bytes(Type::text, text.text);
  row[encoding] = Value::of_bytes(Type::text, text.hex ? "hex" : "text");
}

/// What both share, with `own` columns between the payload and the properties,
/// and `later` ones, which came with a later version, at the end.
Table gateway_table(std::string name, const std::vector<Column>& own,
                    const std::vector<Column>& later) {
  std::vector<Column> columns = {{"received_at", Type::timestamptz, true},
                                 {"topic", Type::text, true},
                                 {"client_id", Type::text, true},
                                 {"qos", Type::bigint, true},
                                 {"retain", Type::boolean, true},
                                 {"payload", Type::text, true},
                                 {"encoding", Type::text, true}};
  columns.insert(columns.end(), own.begin(), own.end());
  columns.push_back({"properties", Type::bytea, false});
  columns.push_back({"position", Type::bigint, true});
  columns.insert(columns.end(), later.begin(), later.end());
  return {.name = std::move(name),
          .columns = std::move(columns),
          .key = {},
          .on_conflict = OnConflict::ignore,
          .time_column = "received_at"};
}

/// PostgreSQL's text cannot hold U+0000, and a dead letter that is refused has nowhere to go.
Value reason_of(std::string_view reason, Arena& arena) {
  char* const text = arena.allocate(reason.size());
  std::replace_copy(reason.begin(), reason.end(), text, '\0', '?');
  return Value::of_bytes(Type::text, {text, reason.size()});
}

Value properties_of(const Message& message) {
  return message.properties.empty() ? Value() : Value::of_bytes(Type::bytea, message.properties);
}

}  // namespace

const Table& dead_letter_table() {
  static const Table table = gateway_table(
      "rowgate_dead_letter", {{"mapping", Type::text, true}, {"reason", Type::text, true}},
      {{"rows", Type::text, false}});
  return table;
}

const Table& unmapped_table() {
  static const Table table = gateway_table("rowgate_unmapped", {}, {});
  return table;
}

const Table& sparkplug_table() {
  static const Table table{.name = "rowgate_sparkplug",
                           .columns = {{"gateway", Type::text, true},
                                       {"lane", Type::bigint, true},
                                       {"edge", Type::text, true},
                                       {"device", Type::text, true},
                                       {"position", Type::bigint, true},
                                       {"received_at", Type::timestamptz, true},
                                       {"payload", Type::bytea, true}},
                           .key = {"gateway", "lane", "edge", "device"},
                           .on_conflict = OnConflict::update,
                           .time_column = {}};
  return table;
}

void add_dead_letter(RowBatch& dead_letters, const Message& message, std::uint32_t source,
                     std::string_view mapping, std::string_view reason,
                     std::span<const RowRange> rows) {
  const std::span<Value> row = dead_letters.add_row(source);
  Arena& arena = dead_letters.arena();
  fill_shared(row, arena, message);
  row[encoding + 1] = Value::of_bytes(Type::text, arena.copy(mapping));
  row[encoding + 2] = reason_of(reason, arena);
  row[encoding + 3] = properties_of(message);
  row[encoding + 4] = Value::of_bigint(static_cast<std::int64_t>(message.position));
  if (!rows.empty()) row[encoding + 5] = Value::of_bytes(Type::text, arena.copy(format_rows(rows)));
}

void add_unmapped(RowBatch& unmapped, const Message& message, std::uint32_t source) {
  const std::span<Value> row = unmapped.add_row(source);
  fill_shared(row, unmapped.arena(), message);
  row[encoding + 1] = properties_of(message);
  row[encoding + 2] = Value::of_bigint(static_cast<std::int64_t>(message.position));
}

void add_birth(RowBatch& births, std::string_view gateway, std::uint16_t lane,
               const Message& message, std::uint32_t source) {
  const auto topic = sparkplug_topic(message.topic);
  if (!topic) return;
  const std::span<Value> row = births.add_row(source);
  row[0] = Value::of_bytes(Type::text, gateway);
  row[1] = Value::of_bigint(lane);
  row[2] = Value::of_bytes(Type::text, births.arena().copy(sparkplug_node(*topic)));
  row[3] = Value::of_bytes(Type::text, topic->device);
  row[4] = Value::of_bigint(static_cast<std::int64_t>(message.position));
  row[5] = Value::of_timestamp(message.received_at);
  row[6] = Value::of_bytes(Type::bytea, message.payload);
}

}  // namespace rowgate::schema
