#pragma once
// A table as the database's catalogue has it. libpqxx; throws as it does.
#include <optional>
#include <pqxx/pqxx>
#include <string>

#include "storage/sink/postgres/ddl.hpp"

namespace rowgate::storage::postgres {

/// nullopt: there is no such table. Expects the session in UTC.
std::optional<ExistingTable> read_table(pqxx::transaction_base& tx, const schema::Table& table);

Extension read_extension(pqxx::transaction_base& tx, const std::string& name);

}  // namespace rowgate::storage::postgres
