#include "storage/sink/postgres/catalog.hpp"

#include <fmt/format.h>

#include <optional>
#include <pqxx/pqxx>

#include "storage/sink/postgres/ddl.hpp"
#include "storage/sink/postgres/outcome.hpp"

namespace rowgate::storage::postgres {
namespace {

/// "rowgate" in ASCII: the advisory lock that all gateways' DDL in one database takes.
constexpr const char* ddl_lock = "SELECT pg_advisory_xact_lock(32210694764422245)";

/// libpq's defaults wait for minutes; what the URL says itself wins.
std::string with_time_limits(std::string url) {
  for (const std::string_view limit :
       {"connect_timeout=10", "tcp_user_timeout=30000", "keepalives_idle=10"}) {
    if (url.find(limit.substr(0, limit.find('='))) != std::string::npos) continue;
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += limit;
  }
  return url;
}

std::string one_line(std::string text) {
  if (const auto excerpt = text.find("\nLINE "); excerpt != std::string::npos) text.resize(excerpt);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

/// libpqxx 6 leaves the code out of some of the exceptions it has a class for.
std::string sqlstate_of(const pqxx::sql_error& e) {
  if (!e.sqlstate().empty()) return e.sqlstate();
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&e)) return "42501";
  if (dynamic_cast<const pqxx::integrity_constraint_violation*>(&e)) return "23000";
  if (dynamic_cast<const pqxx::data_exception*>(&e)) return "22000";
  return {};
}

std::optional<ExistingTable> read_table(pqxx::transaction_base& tx, const schema::Table& table) {
  const std::string name = schema::quote_table(table.name);
  const auto found = tx.exec_params(
      "SELECT c.oid::text, c.relkind::text FROM pg_class c WHERE c.oid = to_regclass($1)", name);
  if (found.empty()) return std::nullopt;
  const auto oid = found[0][0].as<std::string>();
  ExistingTable existing;
  existing.kind = found[0][1].as<std::string>()[0];
  const auto columns = tx.exec_params(
      "SELECT a.attname, format_type(a.atttypid, a.atttypmod), "
      "COALESCE(NULLIF(t.typbasetype, 0), a.atttypid)::bigint, a.attnotnull, "
      "a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a' "
      "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
      oid);
  for (const auto& row : columns)
    existing.columns.push_back({row[0].as<std::string>(), row[1].as<std::string>(),
                                row[2].as<unsigned>(), row[3].as<bool>(), row[4].as<bool>(),
                                row[5].as<bool>()});
  // Only what ON CONFLICT can name: whole, not deferrable, no expressions.
  const auto keys = tx.exec_params(
      "SELECT i.indexrelid::text, a.attname FROM pg_index i "
      "CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS k(attnum) "
      "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
      "WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate "
      "AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY 1",
      oid);
  std::string index;
  for (const auto& row : keys) {
    if (row[0].as<std::string>() != index) existing.unique_keys.emplace_back();
    index = row[0].as<std::string>();
    existing.unique_keys.back().push_back(row[1].as<std::string>());
  }
  return existing;
}

Result<std::vector<std::string>, std::string> plan_in(pqxx::transaction_base& tx,
                                                      const schema::Table& table,
                                                      std::optional<ExistingTable>& existing) {
  existing = read_table(tx, table);
  const std::string schema_name(split_name(table.name).first);
  const bool schema_exists =
      schema_name.empty() ||
      !tx.exec_params("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema_name).empty();
  return plan_changes(existing ? &*existing : nullptr, table, schema_exists);
}

std::vector<Wire> wires(const ExistingTable& existing, const schema::Table& table) {
  std::vector<Wire> result;
  for (const schema::Column& column : table.columns)
    for (const ExistingColumn& has : existing.columns)
      if (has.name == column.name) result.push_back(*wire_of(column.type, has.type_oid));
  return result;
}

}  // namespace

struct Catalogue::State {
  State(const std::string& url, bool first)
      : connection(with_time_limits(url)), no_notices(connection), first_contact(first) {
    pqxx::nontransaction tx(connection);
    tx.exec(
        "SET client_min_messages = error; SET lock_timeout = '10s'; "
        "SET statement_timeout = '300s'");  // building a key's index over old rows takes time
  }

  /// Runs `work` and turns what it throws into a SinkError.
  template <class T, class Work>
  static SinkResult<T> guarded(std::string_view what, bool first_contact, Work work) {
    try {
      return work();
    } catch (const pqxx::sql_error& e) {
      const std::string state = sqlstate_of(e);
      return SinkError{outcome_of(state, first_contact),
                       fmt::format("{}: {}{}", what, one_line(e.what()), hint_for(state))};
    } catch (const std::exception& e) {
      return SinkError{CommitOutcome::retry, fmt::format("{}: {}", what, one_line(e.what()))};
    }
  }

  pqxx::connection connection;
  pqxx::quiet_errorhandler no_notices;
  bool first_contact;
};

Catalogue::Catalogue(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalogue::~Catalogue() = default;
Catalogue::Catalogue(Catalogue&&) noexcept = default;
Catalogue& Catalogue::operator=(Catalogue&&) noexcept = default;

SinkResult<Catalogue> Catalogue::connect(const std::string& url, bool first_contact) {
  return State::guarded<Catalogue>("connect to PostgreSQL", first_contact, [&] {
    return Catalogue(std::make_unique<State>(url, first_contact));
  });
}

SinkResult<void> Catalogue::ensure_checkpoint() {
  return State::guarded<void>(
      "create rowgate_checkpoint", state_->first_contact, [&]() -> SinkResult<void> {
        const auto exists = [](pqxx::transaction_base& tx) {
          return !tx.exec("SELECT 1 FROM pg_class WHERE oid = to_regclass('rowgate_checkpoint')")
                      .empty();
        };
        if (pqxx::nontransaction look(state_->connection); exists(look)) return {};
        pqxx::work tx(state_->connection);
        tx.exec(ddl_lock);
        if (!exists(tx)) tx.exec(create_checkpoint);
        tx.commit();
        return {};
      });
}

SinkResult<std::vector<Wire>> Catalogue::ensure(const schema::Table& table) {
  using Wires = SinkResult<std::vector<Wire>>;
  const std::string what = fmt::format("table {}", table.name);
  return State::guarded<std::vector<Wire>>(what, state_->first_contact, [&]() -> Wires {
    std::optional<ExistingTable> existing;
    {
      pqxx::work look(state_->connection);
      const auto changes = plan_in(look, table, existing);
      if (!changes) return SinkError{CommitOutcome::row_rejected, changes.error()};
      if (changes->empty()) return wires(*existing, table);
    }
    // Look again under the lock: another lane or gateway may have made the same change. In a new
    // transaction, because the server answers from caches that it refreshes when one first touches
    // the catalogue.
    pqxx::work tx(state_->connection);
    tx.exec(ddl_lock);
    const auto changes = plan_in(tx, table, existing);
    if (!changes) return SinkError{CommitOutcome::row_rejected, changes.error()};
    for (const std::string& sql : *changes) tx.exec(sql);
    if (!changes->empty()) existing = read_table(tx, table);
    tx.commit();
    return wires(*existing, table);
  });
}

SinkResult<std::vector<std::string>> Catalogue::plan(const schema::Table& table) {
  using Plan = SinkResult<std::vector<std::string>>;
  const std::string what = fmt::format("table {}", table.name);
  return State::guarded<std::vector<std::string>>(what, true, [&]() -> Plan {
    std::optional<ExistingTable> existing;
    pqxx::work tx(state_->connection);
    auto changes = plan_in(tx, table, existing);
    if (!changes) return SinkError{CommitOutcome::row_rejected, changes.error()};
    return *changes;
  });
}

SinkResult<QueryResult> Catalogue::query(const std::string& sql) {
  return State::guarded<QueryResult>("query", true, [&]() -> SinkResult<QueryResult> {
    pqxx::read_transaction tx(state_->connection);
    // The extended protocol takes one statement only, so that none can end the read-only
    // transaction and go on.
    const pqxx::result rows = tx.exec_params(sql);
    QueryResult result;
    for (pqxx::row::size_type c = 0; c < rows.columns(); ++c)
      result.columns.emplace_back(rows.column_name(c));
    for (const auto& row : rows) {
      auto& cells = result.rows.emplace_back();
      for (const auto& field : row)
        cells.push_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
    }
    return result;
  });
}

}  // namespace rowgate::storage::postgres
