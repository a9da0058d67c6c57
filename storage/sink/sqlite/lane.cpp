#include "storage/sink/sqlite/lane.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "schema/base/time.hpp"
#include "schema/mapper.hpp"
#include "storage/sink/fit.hpp"
#include "storage/sink/key_order.hpp"

namespace rowgate::storage::sqlite {
namespace {

using schema::Type;
using schema::Value;

constexpr std::size_t text_slot = 36;  // a UUID; a timestamp needs 27

std::string_view format_uuid(std::string_view bytes, char* out) noexcept {
  static constexpr char hex[] = "0123456789abcdef";
  char* to = out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *to++ = hex[byte >> 4];
    *to++ = hex[byte & 15];
  }
  return {out, text_slot};
}

void bind(Statement& statement, int i, const Value& value, char* slot) noexcept {
  if (value.is_null()) return statement.bind_null(i);
  switch (value.type()) {
    case Type::boolean:
    case Type::bigint:
      return statement.bind(i, value.as_bigint());
    case Type::double_precision:
      return statement.bind(i, value.as_double());
    case Type::timestamptz:
      format_iso8601(value.as_timestamp(), slot);
      return statement.bind_text(i, {slot, iso8601_size});
    case Type::uuid:
      return statement.bind_text(i, format_uuid(value.as_bytes(), slot));
    case Type::bytea:
      return statement.bind_blob(i, value.as_bytes());
    case Type::text:
    case Type::jsonb:
    case Type::numeric:
      return statement.bind_text(i, value.as_bytes());
  }
}

}  // namespace

SinkResult<Position> SqliteLane::open(const DrainIdentity& identity, Position start) {
  identity_ = identity;
  if (const auto opened = open_file(); !opened) return open_error(opened.error());
  const auto checkpoint = read_checkpoint(start);
  if (!checkpoint) return open_error(checkpoint.error());
  opened_once_ = true;
  committed_ = *checkpoint;
  flushed_ = {};
  wal_synced_ = false;
  return checkpoint;
}

SinkResult<void> SqliteLane::connect() {
  if (const auto opened = open_file(); !opened) return open_error(opened.error());
  opened_once_ = true;
  return {};
}

SinkResult<void> SqliteLane::open_file() {
  close();
  auto connection = Connection::open(file_, Connection::Mode::read_write);
  if (!connection) return connection.error();
  connection_ = std::move(*connection);
  return configure();
}

SinkError SqliteLane::open_error(SinkError error) {
  const int code = connection_ ? sqlite3_errcode(connection_->get()) & 0xff : SQLITE_CANTOPEN;
  const bool misplaced = code == SQLITE_CANTOPEN || code == SQLITE_PERM || code == SQLITE_READONLY;
  // At start-up a wrong path is a mistake to report; later it is a disk that went away.
  if (error.outcome == CommitOutcome::row_rejected || (misplaced && !opened_once_))
    error.outcome = CommitOutcome::fatal;
  close();
  return error;
}

SinkResult<void> SqliteLane::configure() {
  const char* synchronous = synchronous_ == Synchronous::full ? "PRAGMA synchronous = FULL"
                                                              : "PRAGMA synchronous = NORMAL";
  // A checkpoint every 4,000 pages (16 MiB) rewrites an index page once for several batches.
  for (const char* pragma :
       // Before the first table, or without effect: deleted rows' pages can be given back.
       {"PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL", synchronous,
        "PRAGMA wal_autocheckpoint = 4000", "PRAGMA cache_size = -32768",
        "PRAGMA journal_size_limit = 67108864", create_checkpoint})
    if (const auto done = connection_->run(pragma); !done) return done.error();
  for (const schema::Table* table : {&schema::dead_letter_table(), &schema::unmapped_table()})
    if (const auto done = ensure(*table); !done) return done.error();

  const auto keep = [&](std::optional<Statement>& slot, std::string_view sql) -> SinkResult<void> {
    auto statement = Statement::prepare(*connection_, sql);
    if (!statement) return statement.error();
    slot = std::move(*statement);
    return {};
  };
  // IMMEDIATE: takes the write lock now, so that a busy database shows before any row is bound.
  if (const auto r = keep(begin_, "BEGIN IMMEDIATE"); !r) return r;
  if (const auto r = keep(commit_, "COMMIT"); !r) return r;
  return keep(move_checkpoint_,
              "UPDATE rowgate_checkpoint SET position = ?1, updated_at = "
              "strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE gateway = ?2 AND lane = ?3 AND "
              "journal_id = ?4 AND position = ?5");
}

SinkResult<Position> SqliteLane::read_checkpoint(Position start) {
  if (identity_.lanes > 0) {
    auto forget = Statement::prepare(
        *connection_,
        "DELETE FROM rowgate_checkpoint WHERE gateway = ?1 AND journal_id = ?2 AND lane >= ?3");
    if (!forget) return forget.error();
    forget->bind_text(1, identity_.gateway);
    forget->bind_text(2, identity_.journal_id);
    forget->bind(3, std::int64_t{identity_.lanes});
    if (const int code = forget->execute(); code != SQLITE_DONE)
      return connection_->error(code, "write rowgate_checkpoint");
  }
  auto create = Statement::prepare(
      *connection_,
      "INSERT INTO rowgate_checkpoint (gateway, lane, journal_id, position, updated_at) VALUES "
      "(?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT DO NOTHING");
  if (!create) return create.error();
  create->bind_text(1, identity_.gateway);
  create->bind(2, std::int64_t{identity_.lane.value});
  create->bind_text(3, identity_.journal_id);
  create->bind(4, static_cast<std::int64_t>(start.value));
  if (const int code = create->execute(); code != SQLITE_DONE)
    return connection_->error(code, "write rowgate_checkpoint");

  return checkpoint();
}

SinkResult<Position> SqliteLane::checkpoint() {
  if (const auto there = still_in_place(); !there) return there.error();
  auto read = Statement::prepare(
      *connection_,
      "SELECT journal_id, position FROM rowgate_checkpoint WHERE gateway = ?1 AND lane = ?2");
  if (!read) return read.error();
  read->bind_text(1, identity_.gateway);
  read->bind(2, std::int64_t{identity_.lane.value});
  const int code = read->step();
  if (code == SQLITE_DONE)
    return SinkError{CommitOutcome::fenced,
                     checkpoint_gone(identity_.gateway, identity_.lane.value)};
  if (code != SQLITE_ROW) return connection_->error(code, "read rowgate_checkpoint");
  if (read->text(0) != identity_.journal_id)
    return SinkError{CommitOutcome::fenced, foreign_journal(identity_.gateway, identity_.lane.value,
                                                            read->text(0), identity_.journal_id)};
  return Position{static_cast<std::uint64_t>(read->integer(1))};
}

SinkResult<void> SqliteLane::ensure(const schema::Table& table) {
  const auto known = targets_.find(table.name);
  if (known != targets_.end() && known->second.table == table) return {};
  targets_.erase(table.name);
  // Two tries: another connection may run the same DDL between our look and our change.
  for (int attempt = 0;; ++attempt) {
    auto changes = plan_table(*connection_, table);
    if (!changes) return changes.error();
    if (!changes->misfits.empty()) return misfit_error(changes->misfits);
    for (std::string& note : notes_->unsaid(std::move(changes->notes)))
      unsaid_.push_back(std::move(note));
    bool raced = false;
    for (const Step& step : changes->steps) {
      const auto done = connection_->run(step.sql.c_str());
      if (done) continue;
      const int code = sqlite3_errcode(connection_->get()) & 0xff;
      if (code != SQLITE_ERROR || attempt > 0) return done.error();
      raced = true;
      break;
    }
    if (!raced) break;
  }
  targets_.emplace(table.name, Target{table, std::nullopt});
  return {};
}

SinkResult<void> SqliteLane::still_in_place() {
  if (!connection_->file_moved()) return {};
  return SinkError{CommitOutcome::retry,
                   fmt::format("sqlite:{} was moved or deleted while in use; a new file is "
                               "made unless it is put back",
                               file_)};
}

SinkResult<void> SqliteLane::begin() {
  if (const auto there = still_in_place(); !there) return there;
  if (const int code = begin_->execute(); code != SQLITE_DONE)
    return connection_->error(code, "begin a transaction");
  return {};
}

SinkResult<Statement*> SqliteLane::insert_statement(const schema::Table& table) {
  Target& target = targets_[table.name];
  if (!target.insert || target.table != table) {
    auto statement = Statement::prepare(*connection_, insert_row(table));
    if (!statement) return statement.error();
    target.table = table;
    target.insert = std::move(*statement);
  }
  return &*target.insert;
}

SinkResult<void> SqliteLane::insert(const RowSlice& rows, bool savepoint) {
  const auto statement = insert_statement(rows.batch->table());
  if (!statement) return statement.error();
  if (!savepoint) return insert_rows(rows, **statement);

  if (const auto r = connection_->run("SAVEPOINT slice"); !r) return r;
  const auto inserted = insert_rows(rows, **statement);
  if (inserted) return connection_->run("RELEASE slice");
  if (inserted.error().outcome == CommitOutcome::row_rejected)
    if (const auto r = connection_->run("ROLLBACK TO slice; RELEASE slice"); !r) return r;
  return inserted;
}

SinkResult<void> SqliteLane::insert_rows(const RowSlice& rows, Statement& statement) {
  const schema::Table& table = rows.batch->table();
  const std::size_t columns = table.columns.size();
  if (text_.size() < columns * text_slot) text_.resize(columns * text_slot);
  const bool by_key = !table.key.empty();
  if (by_key) key_order(rows, order_);
  for (std::size_t n = 0; n < rows.count; ++n) {
    const auto row = rows.batch->row(by_key ? order_[n] : rows.first + n);
    for (std::size_t c = 0; c < columns; ++c)
      bind(statement, static_cast<int>(c) + 1, row[c], text_.data() + c * text_slot);
    if (const int code = statement.execute(); code != SQLITE_DONE)
      return connection_->error(code, fmt::format("insert into {}", table.name));
  }
  return {};
}

SinkResult<void> SqliteLane::commit(Position from, Position to) {
  Statement& move = *move_checkpoint_;
  move.bind(1, static_cast<std::int64_t>(to.value));
  move.bind_text(2, identity_.gateway);
  move.bind(3, std::int64_t{identity_.lane.value});
  move.bind_text(4, identity_.journal_id);
  move.bind(5, static_cast<std::int64_t>(from.value));
  if (const int code = move.execute(); code != SQLITE_DONE) {
    SinkError error = connection_->error(code, "move the checkpoint");
    // Refused here means a trigger or a changed table of ours, not one of the rows.
    if (error.outcome == CommitOutcome::row_rejected) error.outcome = CommitOutcome::fatal;
    rollback();
    return error;
  }
  if (connection_->changes() != 1) {
    rollback();
    return SinkError{CommitOutcome::fenced,
                     fmt::format("the checkpoint of gateway '{}', lane {}, in sqlite:{} is no "
                                 "longer at {}: another gateway drains under the same name; give "
                                 "one of them another name",
                                 identity_.gateway, identity_.lane.value, file_, from.value)};
  }
  if (const auto ended = end_transaction(); !ended) return ended;
  committed_ = to;
  if (synchronous_ == Synchronous::full && wal_synced_) flushed_ = to;
  return {};
}

SinkResult<void> SqliteLane::end_transaction() {
  const int code = commit_->execute();
  if (code == SQLITE_DONE) return {};
  SinkError error = connection_->error(code, "commit");
  const bool deferred = error.outcome == CommitOutcome::row_rejected;  // a deferred foreign key
  if ((code & 0xff) == SQLITE_BUSY || deferred) rollback();
  // The commit frame may be in the WAL although its sync failed: only a fresh look can tell.
  else
    error.outcome = CommitOutcome::in_doubt;
  return error;
}

SinkResult<void> SqliteLane::commit_without_checkpoint() {
  return end_transaction();
}

SinkResult<QueryResult> SqliteLane::select(const std::string& sql) {
  auto statement = Statement::prepare(*connection_, sql);
  if (!statement) return statement.error();
  return read_rows(*connection_, *statement);
}

SinkResult<std::uint64_t> SqliteLane::execute(const std::string& sql) {
  auto statement = Statement::prepare(*connection_, sql);
  if (!statement) return statement.error();
  if (const int code = statement->execute(); code != SQLITE_DONE)
    return connection_->error(code, sql.substr(0, 80));
  return static_cast<std::uint64_t>(connection_->changes());
}

void SqliteLane::rollback() noexcept {
  if (!connection_ || !connection_->in_transaction()) return;
  sqlite3_exec(connection_->get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

SinkResult<Position> SqliteLane::flushed() {
  if (flushed_ == committed_) return flushed_;
  int in_wal = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(connection_->get(), "main", SQLITE_CHECKPOINT_PASSIVE,
                                             &in_wal, &moved);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
    return connection_->error(code, "checkpoint the WAL");
  // Everything reached the database file, and SQLite has synced it. A reader may hold some back.
  if (code == SQLITE_OK && in_wal == moved) {
    flushed_ = committed_;
    wal_synced_ = true;
  }
  return flushed_;
}

void SqliteLane::close() noexcept {
  targets_.clear();
  begin_.reset();
  commit_.reset();
  move_checkpoint_.reset();
  connection_.reset();
}

}  // namespace rowgate::storage::sqlite
