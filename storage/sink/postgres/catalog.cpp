#include "storage/sink/postgres/catalog.hpp"

#include <fmt/format.h>

#include <optional>
#include <pqxx/pqxx>

#include "storage/sink/postgres/cut_off.hpp"
#include "storage/sink/postgres/ddl.hpp"
#include "storage/sink/postgres/outcome.hpp"
#include "storage/sink/postgres/read_table.hpp"

namespace rowgate::storage::postgres {
namespace {

/// "rowgate" in ASCII: the advisory lock that all gateways' DDL in one database takes.
constexpr const char* ddl_lock = "SELECT pg_advisory_xact_lock(32210694764422245)";

/// Longer than the session's statement_timeout: building a key's index over old rows takes time.
constexpr std::chrono::seconds statement_limit{310};

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

Surroundings surroundings(pqxx::transaction_base& tx, const schema::Table& table, Timestamp now) {
  Surroundings around;
  around.now = now;
  const std::string schema_name(split_name(table.name).first);
  around.schema_exists =
      schema_name.empty() ||
      !tx.exec_params("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema_name).empty();
  if (table.storage.hypertable) around.timescaledb = read_extension(tx, "timescaledb");
  if (!table.storage.distributed.empty()) around.citus = read_extension(tx, "citus");
  return around;
}

Changes plan_in(pqxx::transaction_base& tx, const schema::Table& table, Timestamp now,
                std::optional<ExistingTable>& existing) {
  existing = read_table(tx, table);
  return plan_changes(existing ? &*existing : nullptr, table, surroundings(tx, table, now));
}

/// Runs the steps; what may fail and does becomes a note.
void run(pqxx::dbtransaction& tx, Changes& changes, CutOff& cut_off) {
  for (const Step& step : changes.steps) {
    cut_off.allow(statement_limit);
    if (step.otherwise.empty()) {
      tx.exec(step.sql);
      continue;
    }
    try {
      pqxx::subtransaction attempt(tx, "attempt");
      attempt.exec("SET LOCAL lock_timeout = '2s'");  // others wait behind a lock we wait for
      attempt.exec(step.sql);
      attempt.commit();
    } catch (const pqxx::sql_error& e) {
      changes.notes.push_back(fmt::format("{}: {}", step.otherwise, one_line(e.what())));
    }
  }
}

std::vector<Wire> wires(const ExistingTable& existing, const schema::Table& table) {
  std::vector<Wire> result;
  for (const schema::Column& column : table.columns)
    for (const ExistingColumn& has : existing.columns)
      if (has.name == column.name) result.push_back(*wire_of(column.type, has.type_oid));
  return result;
}

Care care_of(const ExistingTable& existing, const schema::Table& table) {
  Care care{existing.hypertable};
  if (existing.by_range_of(table.time_column)) care.partitions = existing.partitions;
  return care;
}

}  // namespace

struct Catalogue::State {
  State(const std::string& url, bool first, IngestConnection::Limits wanted)
      : connection(with_time_limits(url)),
        no_notices(connection),
        first_contact(first),
        limits(wanted) {
    const CutOff cut_off(connection.sock(), limits.answer, limits.give_up_at);
    pqxx::nontransaction tx(connection);
    tx.exec(
        "SET client_min_messages = error; SET lock_timeout = '10s'; SET TimeZone = 'UTC'; SET "
        "DateStyle = 'ISO'; "
        "SET statement_timeout = '300s'");
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

  /// As guarded(), for work(CutOff&) that waits for the server, which may have fallen silent.
  template <class T, class Work>
  SinkResult<T> bounded(std::string_view what, Work work) {
    CutOff cut_off(connection.sock(), limits.answer, limits.give_up_at);
    auto result = guarded<T>(what, first_contact, [&] { return work(cut_off); });
    if (!result && cut_off.cut())
      return SinkError{CommitOutcome::retry,
                       fmt::format("{}: PostgreSQL: no answer in time, or until the gateway had to "
                                   "stop; connection given up",
                                   what)};
    return result;
  }

  pqxx::connection connection;
  pqxx::quiet_errorhandler no_notices;
  bool first_contact;
  IngestConnection::Limits limits;
};

Catalogue::Catalogue(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalogue::~Catalogue() = default;
Catalogue::Catalogue(Catalogue&&) noexcept = default;
Catalogue& Catalogue::operator=(Catalogue&&) noexcept = default;

SinkResult<Catalogue> Catalogue::connect(const std::string& url, bool first_contact,
                                         IngestConnection::Limits limits) {
  return State::guarded<Catalogue>("connect to PostgreSQL", first_contact, [&] {
    return Catalogue(std::make_unique<State>(url, first_contact, limits));
  });
}

SinkResult<void> Catalogue::ensure_checkpoint() {
  return state_->bounded<void>("create rowgate_checkpoint", [&](const CutOff&) -> SinkResult<void> {
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

SinkResult<Ensured> Catalogue::ensure(const schema::Table& table, Timestamp now) {
  using Done = SinkResult<Ensured>;
  const std::string what = fmt::format("table {}", table.name);
  return state_->bounded<Ensured>(what, [&](CutOff& cut_off) -> Done {
    std::optional<ExistingTable> existing;
    {
      pqxx::work look(state_->connection);
      const Changes changes = plan_in(look, table, now, existing);
      if (!changes.misfits.empty()) return misfit_error(changes.misfits);
      if (changes.steps.empty())
        return Ensured{wires(*existing, table), changes.notes, care_of(*existing, table)};
    }
    // Look again under the lock: another lane or gateway may have made the same change. In a new
    // transaction, because the server answers from caches that it refreshes when one first touches
    // the catalogue.
    pqxx::work tx(state_->connection);
    tx.exec(ddl_lock);
    Changes changes = plan_in(tx, table, now, existing);
    if (!changes.misfits.empty()) return misfit_error(changes.misfits);
    run(tx, changes, cut_off);
    if (!changes.steps.empty()) existing = read_table(tx, table);
    tx.commit();
    return Ensured{wires(*existing, table), changes.notes, care_of(*existing, table)};
  });
}

SinkResult<TablePlan> Catalogue::plan(const schema::Table& table, Timestamp now) {
  const std::string what = fmt::format("table {}", table.name);
  return state_->bounded<TablePlan>(what, [&](const CutOff&) -> SinkResult<TablePlan> {
    std::optional<ExistingTable> existing;
    pqxx::work tx(state_->connection);
    return to_plan(plan_in(tx, table, now, existing));
  });
}

SinkResult<QueryResult> Catalogue::query(const std::string& sql) {
  return state_->bounded<QueryResult>("query", [&](CutOff& cut_off) -> SinkResult<QueryResult> {
    cut_off.allow(statement_limit);
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
