#pragma once
// What both sinks share when they compare a mapping's table with an existing one: pieces of SQL
// text, and the sentences that say why rows cannot go there and what to do. Pure; any thread.
#include <string>
#include <string_view>
#include <vector>

#include "schema/table.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// A statement that makes a table fit, or several that belong together.
struct Step {
  std::string sql;
  std::string otherwise{};  // not empty: it may fail, which makes this note and no error
};
/// As TablePlan, before it is run or shown.
struct Changes {
  std::vector<Step> steps{};
  std::vector<std::string> notes{};
  std::vector<std::string> misfits{};  // why the rows cannot go there, a sentence each

  void add(std::string sql) { steps.push_back({std::move(sql)}); }
};
/// row_rejected: the table cannot take the rows, for all these reasons.
SinkError misfit_error(std::vector<std::string> misfits);
/// The plan, or that error.
SinkResult<TablePlan> to_plan(Changes changes);

bool in_key(const schema::Table& table, std::string_view column) noexcept;
/// `"a", "b"`: the columns, the key.
std::string column_list(const schema::Table& table);
std::string key_list(const schema::Table& table);
std::string name_list(const std::vector<std::string>& names);
/// ` ON CONFLICT ("k") DO NOTHING`, ` ... DO UPDATE SET ...`, or nothing where there is no key. The
/// same text in SQLite and PostgreSQL.
std::string on_conflict(const schema::Table& table);
/// The name that `on_conflict` may have for the row that is there: ` AS kept`, or nothing.
std::string_view conflict_alias(const schema::Table& table) noexcept;

/// SQLite's column names do not tell `Temp` from `temp` (ASCII letters only).
bool same_name_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Whether one of the unique keys has exactly these columns, in any order.
bool has_unique_key(const std::vector<std::vector<std::string>>& unique_keys,
                    const std::vector<std::string>& key);
/// Whether one of the indexes begins with these columns.
bool is_covered(const std::vector<std::string>& columns,
                const std::vector<std::vector<std::string>>& indexes);
/// storage.indexes without those that the key, or an earlier one, begins with.
std::vector<std::vector<std::string>> wanted_indexes(const schema::Table& table);

std::string does_not_fit(const schema::Table& table, const schema::Column& column,
                         std::string_view has, std::string_view needs);
std::string missing_key_column(const schema::Table& table, const schema::Column& column);
std::string generated_column(const schema::Table& table, const schema::Column& column);
std::string never_filled(const schema::Table& table, std::string_view column);
std::string not_a_table(const schema::Table& table, std::string_view kind);
/// The checkpoint row belongs to another journal.
std::string foreign_journal(std::string_view gateway, unsigned lane, std::string_view theirs,
                            std::string_view ours);
/// There is no checkpoint row any more.
std::string checkpoint_gone(std::string_view gateway, unsigned lane);

}  // namespace rowgate::storage
