#include "schema/row_writer.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "schema/filter.hpp"
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
    case Kind::bytes:
      return Type::bytea;
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

// What stands at a place, but for the receive time and a constant.
Field field_at(const Place& place, const RowInput& input) {
  constexpr std::string_view qos_digits = "012";
  const Message& message = input.message;
  switch (place.from) {
    case Place::From::field:
      return input.fields[place.index];
    case Place::From::root_field:
      return input.root_fields[place.index];
    case Place::From::capture:
      return text_field(input.match.captures[place.index].of(message.topic));
    case Place::From::received_at:
    case Place::From::constant:
      return {};
    case Place::From::meta:
      break;
  }
  switch (place.meta->meta) {
    case Meta::client_id:
      return text_field(message.client_id);
    case Meta::topic:
      return text_field(message.topic);
    case Meta::qos:
      return number_field(qos_digits.substr(message.qos, 1));
    case Meta::retain:
      return text_field(message.retain ? "true" : "false");
    case Meta::user_property:
      if (const auto v = user_property(message.properties, place.meta->user_property)) {
        return text_field(*v);
      }
      return {};
    case Meta::received_at:
      break;
  }
  return {};
}

}  // namespace

RowWriter::RowWriter(const Plan& plan, const Table& table) : plan_(plan), table_(table) {
  if (!plan.store) return;
  last_.emplace(plan.store->watched, plan.store->series, plan.mapping.time.index);
}

Written RowWriter::write(const RowInput& input, std::uint32_t source, RowBatch& batch,
                         std::string& reason) {
  if (!plan_.filter.empty() && !passes_filter(input)) return Written::filtered;
  const std::size_t before = batch.rows();
  batch.add_row(source);
  Written written = fill_columns(input, batch, reason) ? Written::rows : Written::refused;
  if (written == Written::rows && plan_.mapping.layout == Layout::narrow) {
    written = write_narrow(input, source, batch, reason);
    if (written == Written::refused) take_back();
  } else if (written == Written::rows) {
    if ((plan_.rest != nullptr && !fill_rest(input, batch, reason)) ||
        (plan_.mapping.auto_columns && !fill_auto(input, batch, reason))) {
      written = Written::refused;
    } else if (last_ && !is_news(input, batch)) {
      written = Written::filtered;
    }
  }
  while (written != Written::rows && batch.rows() > before) batch.drop_last_row();
  return written;
}

bool RowWriter::passes_filter(const RowInput& input) {
  for (const ConditionPlan& condition : plan_.filter) {
    if (holds(*condition.condition, field_at(condition.place, input))) continue;
    filtered_by_ = condition.condition;
    return false;
  }
  return true;
}

bool RowWriter::is_news(const RowInput& input, RowBatch& batch) {
  if (last_->take(batch.last_row(), input.message.topic, spilled_)) return true;
  filtered_by_ = nullptr;
  return false;
}

std::string RowWriter::why_filtered() const {
  if (filtered_by_ == nullptr) return "no column changed by more than its deadband (store)";
  return "the condition does not hold: " + filtered_by_->text;
}

bool RowWriter::fill_columns(const RowInput& input, RowBatch& batch, std::string& reason) {
  spilled_ = false;
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
  const std::span<Value> row = batch.last_row();
  Value& out = row[rule.column];
  Field elsewhere;
  const Field* found = &elsewhere;
  switch (column.place.from) {
    case Place::From::field:
      found = &input.fields[column.place.index];
      break;
    case Place::From::constant:
      out = column.constant;
      return true;
    case Place::From::received_at:
      out = Value::of_timestamp(input.message.received_at);
      return true;
    default:
      elsewhere = field_at(column.place, input);
      break;
  }
  const Field& field = *found;
  const std::string_view wrong = column.conversion.apply(field, batch.arena(), out);
  if (!wrong.empty()) {
    if (column.spill != ColumnPlan::no_column) {
      row[column.spill] = Value::of_bytes(Type::text, spilled_text(field, batch.arena()));
      spilled_ = true;
    } else if (rule.on_error == OnError::dead_letter) {
      reason = "column '" + rule.name + "': " + describe(field) + " from " + origin(rule) + " ";
      reason += wrong;
      return false;
    }
    out = Value();
  }
  if (rule.required && out.is_null()) {
    reason = missing(rule, field);
    return false;
  }
  return true;
}

bool RowWriter::fill_rest(const RowInput& input, RowBatch& batch, std::string& reason) {
  const ColumnRule& rule = *plan_.rest;
  if (!input.reader.read_object()) {
    reason = "column '" + rule.name + "': the rest is made of an object, which this is not";
    return false;
  }
  bool nul = false;
  rest_.clear();
  input.reader.rest(plan_.row, rest_, nul);
  if (nul) {
    reason = "column '" + rule.name + "': the rest holds U+0000, which jsonb cannot store";
    return false;
  }
  if (rest_.empty()) return true;
  batch.last_row()[rule.column] = Value::of_bytes(Type::jsonb, batch.arena().copy(rest_));
  return true;
}

std::optional<std::size_t> RowWriter::add_auto_column(const std::string& name, Type type,
                                                      RowBatch& batch, std::string& reason) {
  if (!is_identifier(name)) {
    reason = "field '" + name + "': a column's name is 1 to 63 bytes without NUL";
    return std::nullopt;
  }
  if (const auto known = column_ignoring_case(batch.table(), name)) return known;
  if (batch.table().columns.size() - table_.columns.size() >= max_auto_columns) {
    reason = "field '" + name + "': table '" + table_.name + "' has " +
             std::to_string(max_auto_columns) + " automatic columns already; declare columns, " +
             "or use layout = \"narrow\"";
    return std::nullopt;
  }
  return batch.add_column({name, type, false});
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
  if (plan_.mapping.machbase) std::transform(name.begin(), name.end(), name.begin(), lower);
  if (const auto i = column_ignoring_case(table_, name)) name = "field_" + name;
  const auto index = add_auto_column(name, auto_type(field.kind), batch, reason);
  if (!index) return nullptr;
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
    if (!fill_auto_column(leaf, input.reader.path(leaf), batch, reason)) return false;
  }
  return true;
}

bool RowWriter::fill_auto_column(const Leaf& leaf, std::string_view path, RowBatch& batch,
                                 std::string& reason) {
  const AutoColumn* column = auto_column(path, leaf.field, batch, reason);
  if (column == nullptr) return false;
  Value& out = batch.last_row()[column->index];
  if (!out.is_null()) {
    reason = "field '" + std::string(path) + "': another field fills column '" + column->name +
             "' already";
    return false;
  }
  const Type type = batch.table().columns[column->index].type;
  std::string_view wrong = Conversion(type).apply(leaf.field, batch.arena(), out);
  if (!wrong.empty() && plan_.mapping.drift == Drift::coerce) {
    const Conversion coercing(type, Drift::coerce);
    if (coercing.apply(leaf.field, batch.arena(), out).empty()) wrong = {};
  }
  if (wrong.empty()) return true;
  out = Value();
  if (plan_.mapping.drift == Drift::spill) {
    return spill_auto(column->name, leaf.field, batch, reason);
  }
  reason = "column '" + column->name + "' (" + std::string(type_name(type)) +
           "): " + describe(leaf.field) + " ";
  reason += wrong;
  return false;
}

bool RowWriter::spill_auto(const std::string& column, const Field& field, RowBatch& batch,
                           std::string& reason) {
  std::string name = column;
  name += spill_suffix;
  const auto index = add_auto_column(name, Type::text, batch, reason);
  if (!index) return false;
  Value& out = batch.last_row()[*index];
  const Column& beside = batch.table().columns[*index];
  if (*index < table_.columns.size() || beside.type != Type::text || !out.is_null()) {
    reason = "column '" + column + "': " + describe(field) + " does not fit, and column '" +
             beside.name + "' is taken by another field";
    return false;
  }
  out = Value::of_bytes(Type::text, spilled_text(field, batch.arena()));
  spilled_ = true;
  return true;
}

Written RowWriter::write_narrow(const RowInput& input, std::uint32_t source, RowBatch& batch,
                                std::string& reason) {
  bool numbers = false;
  bool stored = false;
  bool open = true;  // the last row is still to be filled
  for (const Leaf& leaf : input.leaves) {
    if (leaf.field.kind != Kind::number) continue;
    const std::string_view path = input.reader.path(leaf);
    const auto value = to_double(leaf.field.text);
    if (!value || path.find('\0') != std::string_view::npos) {
      reason =
          "field '" + std::string(path.substr(0, path.find('\0'))) +
          (value ? "': its name holds U+0000" : "': " + describe(leaf.field) + " is out of range");
      return Written::refused;
    }
    if (!open) {
      batch.add_row(source);
      const std::span<const Value> previous = batch.row(batch.rows() - 2);
      std::copy(previous.begin(), previous.end(), batch.last_row().begin());
    }
    numbers = true;
    batch.last_row()[plan_.name_column] = Value::of_bytes(Type::text, batch.arena().copy(path));
    batch.last_row()[plan_.value_column] = Value::of_double(*value);
    open = last_ && !is_news(input, batch);
    stored |= !open;
  }
  if (!numbers) {
    reason = "the payload has no numeric field";
    return Written::refused;
  }
  if (stored && open) batch.drop_last_row();
  return stored ? Written::rows : Written::filtered;
}

}  // namespace rowgate::schema
