#include "storage/sink/sqlite/statement.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace rowgate::storage::sqlite {
namespace {

struct Advice {
  CommitOutcome outcome;
  const char* hint;
};

Advice advise(int code) noexcept {
  switch (code & 0xff) {  // the primary code; the rest of an extended one is detail
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
      return {CommitOutcome::row_rejected, ""};
    case SQLITE_CORRUPT:
      return {CommitOutcome::fatal, "; restore the file from a backup, or run sqlite3's .recover"};
    case SQLITE_NOTADB:
      return {CommitOutcome::fatal, "; give the sink a file of its own"};
    case SQLITE_FULL:
      return {CommitOutcome::retry, "; free disk space"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {CommitOutcome::retry, "; another program holds a write transaction open"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return {CommitOutcome::retry, "; check that file and directory exist and are writable"};
    default:
      return {CommitOutcome::retry, ""};
  }
}

}  // namespace

SinkError to_error(int code, const std::string& file, std::string_view what, const char* reason) {
  const Advice advice = advise(code);
  return {advice.outcome, fmt::format("{} (sqlite:{}): {}{}", what, file, reason, advice.hint)};
}

void Connection::Close::operator()(sqlite3* db) const noexcept {
  sqlite3_close_v2(db);
}

SinkResult<Connection> Connection::open(const std::string& file, Mode mode) {
  sqlite3* db = nullptr;
  const int flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
      (mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  Connection connection(db, file);
  if (code != SQLITE_OK) return connection.error(code, "open the database");
  // Long enough for another program's short write, short enough not to delay a shutdown.
  sqlite3_busy_timeout(db, 1000);
  return connection;
}

SinkResult<void> Connection::run(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, sql);
  return {};
}

SinkError Connection::error(int code, std::string_view what) const {
  return to_error(code, file_, what, db_ ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code));
}

bool Connection::in_transaction() const noexcept {
  return sqlite3_get_autocommit(db_.get()) == 0;
}

bool Connection::file_moved() const noexcept {
  int moved = 0;
  sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

int Connection::changes() const noexcept {
  return sqlite3_changes(db_.get());
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

SinkResult<Statement> Statement::prepare(const Connection& connection, std::string_view sql,
                                         std::string_view* rest) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, &tail);
  if (code != SQLITE_OK) return connection.error(code, sql);
  if (rest) *rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  return Statement(statement);
}

void Statement::bind_null(int i) noexcept {
  sqlite3_bind_null(statement_.get(), i);
}
void Statement::bind(int i, std::int64_t v) noexcept {
  sqlite3_bind_int64(statement_.get(), i, v);
}
void Statement::bind(int i, double v) noexcept {
  sqlite3_bind_double(statement_.get(), i, v);
}
void Statement::bind_text(int i, std::string_view v) noexcept {
  // A null pointer would bind NULL, and an empty view may hold one.
  sqlite3_bind_text64(statement_.get(), i, v.data() ? v.data() : "", v.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}
void Statement::bind_blob(int i, std::string_view v) noexcept {
  sqlite3_bind_blob64(statement_.get(), i, v.data() ? v.data() : "", v.size(), SQLITE_STATIC);
}

int Statement::step() noexcept {
  return sqlite3_step(statement_.get());
}
void Statement::reset() noexcept {
  sqlite3_reset(statement_.get());
}
int Statement::execute() noexcept {
  const int code = sqlite3_step(statement_.get());
  sqlite3_reset(statement_.get());
  return code;
}

int Statement::columns() const noexcept {
  return sqlite3_column_count(statement_.get());
}
bool Statement::read_only() const noexcept {
  return !statement_ || sqlite3_stmt_readonly(statement_.get()) != 0;
}
std::string_view Statement::column_name(int i) const noexcept {
  const char* name = sqlite3_column_name(statement_.get(), i);
  return name ? name : "";
}
bool Statement::is_null(int i) const noexcept {
  return sqlite3_column_type(statement_.get(), i) == SQLITE_NULL;
}
bool Statement::is_blob(int i) const noexcept {
  return sqlite3_column_type(statement_.get(), i) == SQLITE_BLOB;
}
std::int64_t Statement::integer(int i) const noexcept {
  return sqlite3_column_int64(statement_.get(), i);
}
std::string_view Statement::text(int i) const noexcept {
  const void* bytes = is_blob(i) ? sqlite3_column_blob(statement_.get(), i)
                                 : sqlite3_column_text(statement_.get(), i);
  if (!bytes) return {};
  return {static_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), i))};
}

SinkResult<QueryResult> read_rows(const Connection& connection, Statement& statement) {
  const auto cell = [&](int i) -> std::optional<std::string> {
    if (statement.is_null(i)) return std::nullopt;
    if (!statement.is_blob(i)) return std::string(statement.text(i));
    std::string hex = "\\x";  // as psql shows bytea
    for (const char c : statement.text(i))
      fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
    return hex;
  };
  QueryResult result;
  for (int i = 0; i < statement.columns(); ++i)
    result.columns.emplace_back(statement.column_name(i));
  int code = SQLITE_DONE;
  while ((code = statement.step()) == SQLITE_ROW) {
    auto& row = result.rows.emplace_back();
    for (int i = 0; i < statement.columns(); ++i) row.push_back(cell(i));
  }
  if (code != SQLITE_DONE) return connection.error(code, "query");
  return result;
}

}  // namespace rowgate::storage::sqlite
