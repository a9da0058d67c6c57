#include "schema/plan.hpp"

#include <algorithm>

namespace rowgate::schema {

Place Plan::place_of(const ValueSource& source, bool taken) {
  Place place{Place::From::constant, 0, nullptr};
  if (const auto* topic = std::get_if<FromTopic>(&source)) {
    place.from = Place::From::capture;
    place.index = static_cast<std::uint32_t>(topic->capture);
  } else if (const auto* field = std::get_if<FromField>(&source)) {
    const bool beside = mapping.has_rows && field->root;
    place.from = beside ? Place::From::root_field : Place::From::field;
    place.index = static_cast<std::uint32_t>((beside ? root : row).add(field->pointer, taken));
  } else if (const auto* meta = std::get_if<FromMeta>(&source)) {
    place.from = meta->meta == Meta::received_at ? Place::From::received_at : Place::From::meta;
    place.meta = meta;
  }
  return place;
}

void Plan::resolve(Place& place) const {
  if (place.from == Place::From::field) place.index = row.slot_of(place.index);
  if (place.from == Place::From::root_field) place.index = root.slot_of(place.index);
}

void Plan::add(const ColumnRule& rule) {
  if (std::holds_alternative<SpillOf>(rule.source)) return;
  if (std::holds_alternative<RestOfFields>(rule.source)) {
    rest = &rule;
    return;
  }
  ColumnPlan column{&rule, Conversion(rule), place_of(rule.source, true)};
  if (const auto* constant = std::get_if<Constant>(&rule.source)) {
    literal_value(constant->value, rule.type, constants_, column.constant);
  }
  for (const ColumnRule& other : mapping.columns) {
    const auto* of = std::get_if<SpillOf>(&other.source);
    if (of != nullptr && &mapping.columns[of->rule] == &rule) column.spill = other.column;
  }
  columns.push_back(std::move(column));
}

void Plan::plan_store(const Table& table) {
  StorePlan plan;
  for (const ColumnRule& rule : mapping.columns) {
    if (rule.store) plan.watched.push_back({rule.column, *rule.store});
  }
  if (mapping.store) plan.watched.push_back({value_column, *mapping.store});
  if (plan.watched.empty()) return;
  const auto add = [&](const std::string& name) {
    const std::size_t column = table.column(name).value();
    if (column != mapping.time.index) plan.series.columns.push_back(column);
  };
  if (!mapping.series.empty()) {
    for (const std::string& name : mapping.series) add(name);
  } else {
    for (const std::string& name : table.key) add(name);
  }
  plan.series.topic = plan.series.columns.empty();
  const auto& columns_of = plan.series.columns;
  if (mapping.layout == Layout::narrow &&
      std::find(columns_of.begin(), columns_of.end(), name_column) == columns_of.end()) {
    plan.series.columns.push_back(name_column);
  }
  store = std::move(plan);
}

Plan::Plan(const Mapping& of, const Table& table) : mapping(of) {
  if (mapping.time.from) {
    time_rule_ = {.name = mapping.time.column,
                  .type = Type::timestamptz,
                  .source = *mapping.time.from,
                  .required = true,
                  .null_if = std::nullopt,
                  .format = mapping.time.format,
                  .drift = mapping.drift,
                  .column = mapping.time.index};
    add(time_rule_);
  }
  for (const ColumnRule& rule : mapping.columns) add(rule);
  for (const Condition& condition : mapping.filter) {
    filter.push_back({&condition, place_of(condition.source, false)});
  }
  std::size_t rows_handle = 0;
  if (mapping.has_rows) rows_handle = root.add(mapping.rows);
  const std::size_t tuple_handle = mapping.tuple > 0 ? row.add("", false) : 0;
  row.finish();
  root.finish();
  for (ColumnPlan& column : columns) resolve(column.place);
  for (ConditionPlan& condition : filter) resolve(condition.place);
  if (mapping.has_rows) rows_slot = root.slot_of(rows_handle);
  if (mapping.tuple > 0) tuple_slot = row.slot_of(tuple_handle);
  leaves = mapping.auto_columns || mapping.layout == Layout::narrow;
  if (mapping.layout == Layout::narrow) {
    name_column = table.column("name").value();
    value_column = table.column("value").value();
  }
  plan_store(table);
}

}  // namespace rowgate::schema
