#pragma once
// What both sinks share when they compare a mapping's table with an existing one: pieces of SQL
// text, and the sentences that say why rows cannot go there and what to do. Pure; any thread.
#include <string>
#include <string_view>
#include <vector>

#include "schema/table.hpp"

namespace rowgate::storage {

bool in_key(const schema::Table& table, std::string_view column) noexcept;
/// `"a", "b"`: the columns, the key.
std::string column_list(const schema::Table& table);
std::string key_list(const schema::Table& table);
/// ` ON CONFLICT ("k") DO NOTHING`, ` ... DO UPDATE SET ...`, or nothing where there is no key. The
/// same text in SQLite and PostgreSQL.
std::string on_conflict(const schema::Table& table);

/// SQLite's column names do not tell `Temp` from `temp` (ASCII letters only).
bool same_name_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Whether one of the unique keys has exactly these columns, in any order.
bool has_unique_key(const std::vector<std::vector<std::string>>& unique_keys,
                    const std::vector<std::string>& key);

std::string does_not_fit(const schema::Table& table, const schema::Column& column,
                         std::string_view has, std::string_view needs);
std::string missing_key_column(const schema::Table& table, const schema::Column& column);
std::string generated_column(const schema::Table& table, const schema::Column& column);
std::string never_filled(const schema::Table& table, std::string_view column);
std::string not_a_table(const schema::Table& table, std::string_view kind);
/// The checkpoint row belongs to another journal.
std::string foreign_journal(std::string_view gateway, unsigned lane, std::string_view theirs,
                            std::string_view ours);

}  // namespace rowgate::storage
