#include "schema/row_writer.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// SQLite's column names ignore ASCII case, so ours do too where they come from devices.
std::optional<std::size_t> column_ignoring_case(const Table& table, std::string_view name) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& have = table.columns[i].name;
    if (have.size() == name.size() &&
        std::equal(have.begin(), have.end(), name.begin(),
                   [](char a, char b) { return lower(a) == lower(b); })) {
      return i;
    }
  }
  return std::nullopt;
}

Type auto_type(Kind kind) noexcept {
  switch (kind) {
    case Kind::number:
      return Type::double_precision;
    case Kind::boolean:
      return Type::boolean;
    case Kind::array:
      return Type::jsonb;
    default:
      return Type::text;
  }
}

Field text_field(std::string_view text) {
  Field field;
  field.kind = Kind::text;
  field.text = text;
  return field;
}

Field number_field(std::string_view digits) {
  Field field = text_field(digits);
  field.kind = Kind::number;
  return field;
}

// Where a column's value comes from, as a reason names it: "from /temp".
std::string origin(const ColumnRule& rule) {
  if (const auto* field = std::get_if<FromField>(&rule.source)) {
    return field->pointer.empty() ? "the payload" : field->pointer;
  }
  if (std::holds_alternative<FromTopic>(rule.source)) return "the topic";
  return "the message";
}

std::string missing(const ColumnRule& rule, const Field& field) {
  const std::string from = origin(rule);
  std::string reason = "column '" + rule.name + "': ";
  if (field.kind == Kind::absent && std::holds_alternative<FromField>(rule.source)) {
    reason += "the payload has no " + from;
  } else if (field.kind == Kind::absent) {
    reason += "the message has no such property";
  } else {
    reason += from + " is null";
  }
  return reason + ", and the column is required";
}

}  // namespace

Written RowWriter::write(const RowInput& input, std::uint32_t source, RowBatch& batch,
                         std::string& reason) {
  const std::size_t before = batch.rows();
  batch.add_row(source);
  bool ok = fill_columns(input, batch, reason);
  if (ok && plan_.mapping.layout == Layout::narrow) {
    ok = write_narrow(input, source, batch, reason);
  } else if (ok && plan_.mapping.auto_columns) {
    ok = fill_auto(input, batch, reason);
  }
  while (!ok && batch.rows() > before) batch.drop_last_row();
  return ok ? Written::rows : Written::refused;
}

bool RowWriter::fill_columns(const RowInput& input, RowBatch& batch, std::string& reason) {
  if (!plan_.mapping.time.from) {
    batch.last_row()[plan_.mapping.time.index] = Value::of_timestamp(input.message.received_at);
  }
  for (const ColumnPlan& column : plan_.columns) {
    if (!fill_column(column, input, batch, reason)) return false;
  }
  return true;
}

bool RowWriter::fill_column(const ColumnPlan& column, const RowInput& input, RowBatch& batch,
                            std::string& reason) {
  const ColumnRule& rule = *column.rule;
  Value& out = batch.last_row()[rule.column];
  Field field;
  char qos = '0';
  switch (column.from) {
    case ColumnPlan::From::field:
      field = input.fields[column.index];
      break;
    case ColumnPlan::From::root_field:
      field = input.root_fields[column.index];
      break;
    case ColumnPlan::From::capture: {
      const auto [begin, size] = input.match.captures[column.index];
      field = text_field(input.message.topic.substr(begin, size));
      break;
    }
    case ColumnPlan::From::meta: {
      const Message& message = input.message;
      const FromMeta& from = std::get<FromMeta>(rule.source);
      switch (from.meta) {
        case Meta::client_id:
          field = text_field(message.client_id);
          break;
        case Meta::topic:
          field = text_field(message.topic);
          break;
        case Meta::qos:
          qos = static_cast<char>('0' + message.qos);
          field = number_field({&qos, 1});
          break;
        case Meta::retain:
          field = text_field(message.retain ? "true" : "false");
          break;
        case Meta::received_at:
          out = Value::of_timestamp(message.received_at);
          return true;
        case Meta::user_property:
          if (const auto v = user_property(message.properties, from.user_property)) {
            field = text_field(*v);
          }
          break;
      }
      break;
    }
  }
  const std::string_view wrong = column.conversion.apply(field, batch.arena(), out);
  if (!wrong.empty() && rule.on_error == OnError::dead_letter) {
    reason = "column '" + rule.name + "': " + describe(field) + " from " + origin(rule) + " ";
    reason += wrong;
    return false;
  }
  if (!wrong.empty()) out = Value();
  if (rule.required && out.is_null()) {
    reason = missing(rule, field);
    return false;
  }
  return true;
}

const RowWriter::AutoColumn* RowWriter::auto_column(std::string_view path, const Field& field,
                                                    RowBatch& batch, std::string& reason) {
  const std::vector<Column>& columns = batch.table().columns;
  const auto known = auto_columns_.find(path);
  if (known != auto_columns_.end()) {
    const AutoColumn& column = known->second;
    if (column.index < columns.size() && columns[column.index].name == column.name) return &column;
  }
  std::string name(path);
  if (const auto i = column_ignoring_case(table_, name)) name = "field_" + name;
  if (!is_identifier(name)) {
    reason = "field '" + name + "': a column's name is 1 to 63 bytes without NUL";
    return nullptr;
  }
  std::optional<std::size_t> index = column_ignoring_case(batch.table(), name);
  if (!index) {
    if (columns.size() - table_.columns.size() >= max_auto_columns) {
      reason = "field '" + name + "': table '" + table_.name + "' has " +
               std::to_string(max_auto_columns) + " automatic columns already; declare columns, " +
               "or use layout = \"narrow\"";
      return nullptr;
    }
    index = batch.add_column({name, auto_type(field.kind), false});
  }
  if (auto_columns_.size() >= 4 * max_auto_columns) auto_columns_.clear();
  const auto [it, added] = auto_columns_.insert_or_assign(
      std::string(path), AutoColumn{*index, batch.table().columns[*index].name});
  return &it->second;
}

bool RowWriter::fill_auto(const RowInput& input, RowBatch& batch, std::string& reason) {
  if (!input.reader.read_object()) {
    reason = "automatic columns are made from an object, which this is not";
    return false;
  }
  for (const Leaf& leaf : input.leaves) {
    if (leaf.field.kind == Kind::null) continue;
    const std::string_view path = input.reader.path(leaf);
    const AutoColumn* column = auto_column(path, leaf.field, batch, reason);
    if (column == nullptr) return false;
    Value& out = batch.last_row()[column->index];
    if (!out.is_null()) {
      reason = "field '" + std::string(path) + "': another field fills column '" + column->name +
               "' already";
      return false;
    }
    const Type type = batch.table().columns[column->index].type;
    const std::string_view wrong = Conversion(type).apply(leaf.field, batch.arena(), out);
    if (!wrong.empty()) {
      reason = "column '" + column->name + "' (" + std::string(type_name(type)) +
               "): " + describe(leaf.field) + " ";
      reason += wrong;
      return false;
    }
  }
  return true;
}

bool RowWriter::write_narrow(const RowInput& input, std::uint32_t source, RowBatch& batch,
                             std::string& reason) {
  bool first = true;
  for (const Leaf& leaf : input.leaves) {
    if (leaf.field.kind != Kind::number) continue;
    const std::string_view path = input.reader.path(leaf);
    const auto value = to_double(leaf.field.text);
    if (!value || path.find('\0') != std::string_view::npos) {
      reason =
          "field '" + std::string(path.substr(0, path.find('\0'))) +
          (value ? "': its name holds U+0000" : "': " + describe(leaf.field) + " is out of range");
      return false;
    }
    if (!first) {
      batch.add_row(source);
      const std::span<const Value> previous = batch.row(batch.rows() - 2);
      std::copy(previous.begin(), previous.end(), batch.last_row().begin());
    }
    first = false;
    batch.last_row()[plan_.name_column] = Value::of_bytes(Type::text, batch.arena().copy(path));
    batch.last_row()[plan_.value_column] = Value::of_double(*value);
  }
  if (first) reason = "the payload has no numeric field";
  return !first;
}

}  // namespace rowgate::schema
