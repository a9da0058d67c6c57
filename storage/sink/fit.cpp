#include "storage/sink/fit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rowgate::storage {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

void append_name(std::string& list, std::string_view name) {
  if (!list.empty()) list += ", ";
  list += schema::quote_identifier(name);
}

}  // namespace

SinkError misfit_error(std::vector<std::string> misfits) {
  std::string message = fmt::format("{}", fmt::join(misfits, "; moreover, "));
  return {CommitOutcome::row_rejected, std::move(message), std::move(misfits)};
}

SinkResult<TablePlan> to_plan(Changes changes) {
  if (!changes.misfits.empty()) return misfit_error(std::move(changes.misfits));
  TablePlan plan;
  for (Step& step : changes.steps) plan.statements.push_back(std::move(step.sql));
  plan.notes = std::move(changes.notes);
  return plan;
}

bool in_key(const schema::Table& table, std::string_view column) noexcept {
  return std::ranges::find(table.key, column) != table.key.end();
}

std::string column_list(const schema::Table& table) {
  std::string list;
  for (const schema::Column& column : table.columns) append_name(list, column.name);
  return list;
}

std::string key_list(const schema::Table& table) {
  return name_list(table.key);
}

std::string name_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) append_name(list, name);
  return list;
}

std::string on_conflict(const schema::Table& table) {
  if (table.key.empty()) return {};
  std::string set;
  if (table.on_conflict != schema::OnConflict::ignore) {
    for (const schema::Column& column : table.columns) {
      if (in_key(table, column.name)) continue;
      const std::string name = schema::quote_identifier(column.name);
      set += fmt::format("{}{} = excluded.{}", set.empty() ? "" : ", ", name, name);
    }
  }
  // A table that is all key has nothing to update.
  if (set.empty()) return fmt::format(" ON CONFLICT ({}) DO NOTHING", key_list(table));
  std::string sql = fmt::format(" ON CONFLICT ({}) DO UPDATE SET {}", key_list(table), set);
  if (table.on_conflict == schema::OnConflict::latest) {
    sql +=
        fmt::format(" WHERE excluded.{0} >= kept.{0}", schema::quote_identifier(table.time_column));
  }
  return sql;
}

std::string_view conflict_alias(const schema::Table& table) noexcept {
  return table.on_conflict == schema::OnConflict::latest ? " AS kept" : "";
}

bool same_name_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool has_unique_key(const std::vector<std::vector<std::string>>& unique_keys,
                    const std::vector<std::string>& key) {
  return std::ranges::any_of(unique_keys, [&](const std::vector<std::string>& unique) {
    return std::ranges::is_permutation(unique, key);
  });
}

bool is_covered(const std::vector<std::string>& columns,
                const std::vector<std::vector<std::string>>& indexes) {
  return std::ranges::any_of(indexes, [&](const std::vector<std::string>& index) {
    return index.size() >= columns.size() &&
           std::equal(columns.begin(), columns.end(), index.begin(), same_name_ignoring_case);
  });
}

std::vector<std::vector<std::string>> wanted_indexes(const schema::Table& table) {
  std::vector<std::vector<std::string>> wanted;
  for (const auto& index : table.storage.indexes) {
    if (!is_covered(index, {table.key}) && !is_covered(index, wanted)) wanted.push_back(index);
  }
  return wanted;
}

std::string does_not_fit(const schema::Table& table, const schema::Column& column,
                         std::string_view has, std::string_view needs) {
  return fmt::format(
      "table {}, column {}: the database has {}, the mapping's {} needs {}; change the column's "
      "type in the mapping, ALTER the column, or give the mapping another table",
      table.name, column.name, has.empty() ? "no type" : has, schema::type_name(column.type),
      needs);
}

std::string missing_key_column(const schema::Table& table, const schema::Column& column) {
  return fmt::format(
      "table {} exists without key column {}; add the column yourself and fill it, or give the "
      "mapping another table",
      table.name, column.name);
}

std::string generated_column(const schema::Table& table, const schema::Column& column) {
  return fmt::format(
      "table {}, column {}: the database generates it, so no value can be stored; leave it out of "
      "the mapping",
      table.name, column.name);
}

std::string never_filled(const schema::Table& table, std::string_view column) {
  return fmt::format(
      "table {}, column {}: NOT NULL without a default, and the mapping has no such column; map "
      "it, give it a default, or drop the NOT NULL",
      table.name, column);
}

std::string not_a_table(const schema::Table& table, std::string_view kind) {
  return fmt::format("{} is a {}, not a table; give the mapping another table", table.name, kind);
}

std::string foreign_journal(std::string_view gateway, unsigned lane, std::string_view theirs,
                            std::string_view ours) {
  return fmt::format(
      "the checkpoint of gateway '{0}', lane {1}, belongs to journal {2}, ours is {3}: another "
      "gateway has the same name, or the data directory was replaced; give this gateway another "
      "name, or, if journal {2} is gone for good, DELETE FROM rowgate_checkpoint WHERE gateway = "
      "'{0}'",
      gateway, lane, theirs, ours);
}

std::string checkpoint_gone(std::string_view gateway, unsigned lane) {
  return fmt::format(
      "the database has no checkpoint of gateway '{}', lane {}, any more: somebody deleted it, or "
      "put the database back to before this gateway; started again, the gateway stores all that "
      "its journal still holds, a second time where those rows are still there",
      gateway, lane);
}

}  // namespace rowgate::storage
