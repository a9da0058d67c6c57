#include "schema/plan.hpp"

namespace rowgate::schema {

void Plan::add(const ColumnRule& rule) {
  ColumnPlan column{&rule, Conversion(rule), ColumnPlan::From::meta, 0};
  if (const auto* topic = std::get_if<FromTopic>(&rule.source)) {
    column.from = ColumnPlan::From::capture;
    column.index = static_cast<std::uint32_t>(topic->capture);
  } else if (const auto* field = std::get_if<FromField>(&rule.source)) {
    const bool beside = mapping.has_rows && field->root;
    column.from = beside ? ColumnPlan::From::root_field : ColumnPlan::From::field;
    column.index = static_cast<std::uint32_t>((beside ? root : row).add(field->pointer));
  }
  columns.push_back(std::move(column));
}

Plan::Plan(const Mapping& of, const Catalog& catalog) : mapping(of) {
  if (mapping.time.from) {
    time_rule_ = {.name = mapping.time.column,
                  .type = Type::timestamptz,
                  .source = *mapping.time.from,
                  .required = true,
                  .null_if = std::nullopt,
                  .format = mapping.time.format,
                  .column = mapping.time.index};
    add(time_rule_);
  }
  for (const ColumnRule& rule : mapping.columns) add(rule);
  std::size_t rows_handle = 0;
  if (mapping.has_rows) rows_handle = root.add(mapping.rows);
  row.finish();
  root.finish();
  for (ColumnPlan& column : columns) {
    if (column.from == ColumnPlan::From::field) column.index = row.slot_of(column.index);
    if (column.from == ColumnPlan::From::root_field) column.index = root.slot_of(column.index);
  }
  if (mapping.has_rows) rows_slot = root.slot_of(rows_handle);
  leaves = mapping.auto_columns || mapping.layout == Layout::narrow;
  if (mapping.layout == Layout::narrow) {
    const Table& table = catalog.tables[mapping.table];
    name_column = table.column("name").value();
    value_column = table.column("value").value();
  }
}

}  // namespace rowgate::schema
