#include "storage/sink/postgres/lane.hpp"

#include <fmt/format.h>

#include <charconv>

#include "schema/mapper.hpp"
#include "storage/os/clock.hpp"
#include "storage/sink/fit.hpp"
#include "storage/sink/postgres/ddl.hpp"

namespace rowgate::storage::postgres {
namespace {

std::string quote_literal(std::string_view text) {
  std::string quoted = "E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

std::uint64_t number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// A server that loses sight of us gives the checkpoint's lock back within these limits.
constexpr const char* session_settings =
    "SET client_min_messages = error; SET lock_timeout = '10s'; SET statement_timeout = '30s'; "
    "SET idle_in_transaction_session_timeout = '60s'; SET bytea_output = hex; SET "
    "tcp_keepalives_idle = 10; "
    "SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SHOW synchronous_commit";

}  // namespace

std::string PostgresLane::checkpoint_row() const {
  return fmt::format("gateway = {} AND lane = {} AND journal_id = {}",
                     quote_literal(identity_.gateway), identity_.lane.value,
                     quote_literal(identity_.journal_id));
}

SinkResult<Position> PostgresLane::open(const DrainIdentity& identity, Position start) {
  identity_ = identity;
  has_checkpoint_ = true;
  const auto started =
      start_session(fmt::format("rowgate {} lane {}", identity.gateway, identity.lane.value));
  if (!started) return open_error(started.error());
  auto checkpoint = read_checkpoint(start);
  catalogue_.reset();
  if (!checkpoint) return open_error(checkpoint.error());
  let_in_ = true;
  return checkpoint;
}

SinkResult<void> PostgresLane::connect() {
  has_checkpoint_ = false;
  if (const auto started = start_session("rowgate replay"); !started)
    return open_error(started.error());
  catalogue_.reset();
  let_in_ = true;
  return {};
}

SinkError PostgresLane::open_error(SinkError error) {
  close();
  // A table of the gateway's own that someone else made differently.
  if (error.outcome == CommitOutcome::row_rejected) error.outcome = CommitOutcome::fatal;
  return error;
}

SinkResult<void> PostgresLane::start_session(const std::string& name) {
  close();
  auto connection = IngestConnection::connect(url_, name, !let_in_, limits_);
  if (!connection) return connection.error();
  ingest_ = std::move(*connection);
  const auto synchronous = ingest_->run(session_settings);
  if (!synchronous) return synchronous.error();
  waits_for_flush_ = *synchronous != "off";

  auto catalogue = Catalogue::connect(ingest_->same_host(url_), !let_in_, limits_);
  if (!catalogue) return catalogue.error();
  catalogue_ = std::move(*catalogue);
  if (const auto made = catalogue_->ensure_checkpoint(); !made) return made.error();
  for (const schema::Table* table : {&schema::dead_letter_table(), &schema::unmapped_table()})
    if (const auto made = ensure(*table); !made) return made.error();
  return {};
}

/// Of "POSITION JOURNAL".
SinkResult<Position> PostgresLane::position_in(std::string_view row) const {
  const auto space = row.find(' ');
  const std::string_view journal =
      space == std::string_view::npos ? std::string_view() : row.substr(space + 1);
  if (journal != identity_.journal_id)
    return SinkError{CommitOutcome::fenced, foreign_journal(identity_.gateway, identity_.lane.value,
                                                            journal, identity_.journal_id)};
  return Position{number(row.substr(0, space))};
}

SinkResult<Position> PostgresLane::read_checkpoint(Position start) {
  if (identity_.lanes > 0) {
    const auto forgotten = ingest_->run(fmt::format(
        "DELETE FROM rowgate_checkpoint WHERE gateway = {} AND journal_id = {} AND lane >= {}",
        quote_literal(identity_.gateway), quote_literal(identity_.journal_id), identity_.lanes));
    if (!forgotten) return forgotten.error();
  }
  const auto row = ingest_->run(fmt::format(
      "INSERT INTO rowgate_checkpoint (gateway, lane, journal_id, position) VALUES ({0}, {1}, {2}, "
      "{3}) ON CONFLICT (gateway, lane) DO NOTHING; SELECT position || ' ' || journal_id FROM "
      "rowgate_checkpoint WHERE gateway = {0} AND lane = {1} FOR UPDATE",
      quote_literal(identity_.gateway), identity_.lane.value, quote_literal(identity_.journal_id),
      start.value));
  if (!row) return row.error();
  const auto position = position_in(*row);
  if (!position) return position.error();
  committed_ = *position;
  flushed_ = waits_for_flush_ ? committed_ : Position{};
  unflushed_.clear();
  if (!waits_for_flush_) {
    // What is committed when we connect was written before this WAL position.
    const auto lsn = ingest_->run("SELECT pg_current_wal_insert_lsn() - '0/0'");
    if (!lsn) return lsn.error();
    unflushed_.emplace_back(number(*lsn), committed_);
  }
  return committed_;
}

SinkResult<Position> PostgresLane::checkpoint() {
  const auto row = ingest_->run(fmt::format(
      "SELECT position || ' ' || journal_id FROM rowgate_checkpoint WHERE gateway = {} AND lane = "
      "{}",
      quote_literal(identity_.gateway), identity_.lane.value));
  if (!row) return row.error();
  if (row->empty())
    return SinkError{CommitOutcome::fenced,
                     checkpoint_gone(identity_.gateway, identity_.lane.value)};
  return position_in(*row);
}

SinkResult<Ensured> PostgresLane::ensure_in_catalogue(const schema::Table& table, Timestamp now) {
  if (!catalogue_) {
    auto connected = Catalogue::connect(ingest_->same_host(url_), false, limits_);
    if (!connected) return connected.error();
    catalogue_ = std::move(*connected);
  }
  auto ensured = catalogue_->ensure(table, now);
  if (!ensured) {
    if (ensured.error().outcome == CommitOutcome::retry) catalogue_.reset();
    return ensured.error();
  }
  for (std::string& note : notes_->unsaid(std::exchange(ensured->notes, {})))
    unsaid_.push_back(std::move(note));
  return ensured;
}

SinkResult<PostgresLane::Target> PostgresLane::make_target(const schema::Table& table,
                                                           std::string stage) {
  auto ensured = ensure_in_catalogue(table, os::system_clock().now());
  if (!ensured) return ensured.error();
  Target target{table, std::move(ensured->wires), copy_into(table), {}, {}};
  if (table.key.empty()) return target;
  target.stage = std::move(stage);
  target.copy = copy_into_stage(table, target.stage);
  target.merge = merge_stage(table, target.stage);
  if (const auto made = ingest_->run(create_stage(table, target.stage)); !made) return made.error();
  return target;
}

SinkResult<void> PostgresLane::ensure(const schema::Table& table) {
  const auto known = targets_.find(table.name);
  if (known != targets_.end() && known->second.table == table) return {};
  const bool has_stage = known != targets_.end() && !known->second.stage.empty();
  auto target = make_target(
      table, has_stage ? known->second.stage : fmt::format("rowgate_stage_{}", next_stage_++));
  if (!target) return target.error();
  targets_.insert_or_assign(table.name, std::move(*target));
  return {};
}

SinkResult<void> PostgresLane::begin() {
  catalogue_.reset();  // nothing to ensure for now: give the server its connection back
  begin_pending_ = true;
  for (auto& [name, target] : targets_) target.staged = false;
  return {};
}

std::string PostgresLane::take_begin() {
  if (!begin_pending_) return {};
  begin_pending_ = false;
  in_transaction_ = true;
  if (!has_checkpoint_) return "BEGIN; ";
  return fmt::format("BEGIN; SELECT FROM rowgate_checkpoint WHERE {} FOR UPDATE; ",
                     checkpoint_row());
}

SinkResult<void> PostgresLane::insert(const RowSlice& rows, bool savepoint) {
  if (rows.count == 0) return {};
  Target& target = targets_.at(rows.batch->table().name);
  std::string before = take_begin();
  if (savepoint) before += "SAVEPOINT slice; ";
  const auto inserted = insert_into(target, rows, std::move(before), savepoint);
  if (inserted || !savepoint || inserted.error().outcome != CommitOutcome::row_rejected)
    return inserted;
  const auto undone = ingest_->run("ROLLBACK TO slice; RELEASE slice");
  if (!undone) return SinkError{CommitOutcome::retry, undone.error().message};
  return inserted;
}

SinkResult<void> PostgresLane::insert_into(Target& target, const RowSlice& rows, std::string before,
                                           bool savepoint) {
  if (target.staged) before += fmt::format("TRUNCATE pg_temp.{}; ", target.stage);
  if (const auto r = ingest_->copy_begin(before + target.copy); !r) return r;
  if (const auto r = copy_rows(target, rows); !r) return r;
  std::string after = target.merge;
  if (!target.merge.empty()) target.staged = true;
  // A deferred constraint would only fail at COMMIT, where no savepoint helps.
  if (savepoint)
    after +=
        (after.empty() ? "" : "; ") + std::string("SET CONSTRAINTS ALL IMMEDIATE; RELEASE slice");
  if (after.empty()) return {};
  if (const auto r = ingest_->run(after); !r) return r.error();
  return {};
}

SinkResult<void> PostgresLane::copy_rows(const Target& target, const RowSlice& rows) {
  encoder_.start(target.wires, !target.merge.empty());
  for (std::size_t i = rows.first; i < rows.first + rows.count; ++i) {
    if (const auto column = encoder_.add(rows.batch->row(i))) {
      const auto ended = ingest_->copy_end("value out of range");
      if (!ingest_->alive()) return ended;
      return SinkError{CommitOutcome::row_rejected,
                       fmt::format("table {}, column {}: the value is out of range for the "
                                   "column's type in the database",
                                   target.table.name, target.table.columns[*column].name)};
    }
    if (encoder_.bytes().size() < RowEncoder::piece) continue;
    if (const auto sent = ingest_->copy_send(encoder_.bytes()); !sent) return sent;
    encoder_.clear();
  }
  encoder_.finish();
  if (const auto sent = ingest_->copy_send(encoder_.bytes()); !sent) return sent;
  return ingest_->copy_end();
}

SinkResult<void> PostgresLane::commit(Position from, Position to) {
  // Without rows nothing has locked the checkpoint yet. The lock must be ours before COMMIT leaves:
  // else it may arrive after we have connected again, and look like another gateway's.
  if (const std::string begin = take_begin(); !begin.empty())
    if (const auto locked = ingest_->run(begin); !locked) return locked.error();
  // Guard and COMMIT in one round trip. A checkpoint that is not at `from` divides by zero, which
  // ends the string of statements before its COMMIT.
  std::string sql = fmt::format(
      "WITH moved AS (UPDATE rowgate_checkpoint SET position = {}, updated_at = now() WHERE {} AND "
      "position = {} RETURNING 1) SELECT 1 / count(*) FROM moved; COMMIT",
      to.value, checkpoint_row(), from.value);
  if (!waits_for_flush_) sql += "; SELECT pg_current_wal_insert_lsn() - '0/0'";
  const auto done = ingest_->run(sql);
  if (!done) {
    SinkError error = done.error();
    // Only a refused row is sure not to be committed. Anything else may have come after COMMIT.
    if (!ingest_->alive() || error.outcome != CommitOutcome::row_rejected) {
      error.outcome = CommitOutcome::in_doubt;
      return error;
    }
    const bool division_by_zero = ingest_->sqlstate() == "22012";
    rollback();
    if (!division_by_zero) return error;
    // Ours, or that of a trigger which COMMIT runs.
    const auto found = ingest_->run(
        fmt::format("SELECT position FROM rowgate_checkpoint WHERE {}", checkpoint_row()));
    if (!found) return SinkError{CommitOutcome::retry, found.error().message};
    if (*found == std::to_string(from.value)) return error;
    return SinkError{CommitOutcome::fenced,
                     fmt::format("the checkpoint of gateway '{}', lane {}, is no longer at {}: "
                                 "another gateway drains under the same name; give one of them "
                                 "another name",
                                 identity_.gateway, identity_.lane.value, from.value)};
  }
  in_transaction_ = false;
  committed_ = to;
  if (waits_for_flush_)
    flushed_ = to;
  else
    unflushed_.emplace_back(number(*done), to);
  return {};
}

SinkResult<void> PostgresLane::commit_without_checkpoint() {
  // A transaction that has failed already would take COMMIT for ROLLBACK, without an error.
  const auto done = ingest_->run(take_begin() + "SELECT 1; COMMIT");
  if (done) {
    in_transaction_ = false;
    return {};
  }
  SinkError error = done.error();
  if (ingest_->alive() && error.outcome == CommitOutcome::row_rejected)
    rollback();  // a deferred constraint
  else
    error.outcome = CommitOutcome::in_doubt;
  return error;
}

SinkResult<QueryResult> PostgresLane::select(const std::string& sql) {
  return ingest_->query(take_begin() + sql);
}

SinkResult<std::uint64_t> PostgresLane::execute(const std::string& sql) {
  const auto done = ingest_->run(take_begin() + sql);
  if (!done) return done.error();
  return ingest_->changed();
}

void PostgresLane::rollback() noexcept {
  begin_pending_ = false;
  if (!in_transaction_) return;
  in_transaction_ = false;
  // If even that fails, the next statement fails too, and that asks for a new connection.
  if (ingest_ && ingest_->alive()) static_cast<void>(ingest_->run("ROLLBACK"));
}

SinkResult<Position> PostgresLane::flushed() {
  if (unflushed_.empty()) return flushed_;
  const auto lsn = ingest_->run("SELECT pg_current_wal_flush_lsn() - '0/0'");
  if (!lsn) return lsn.error();
  const std::uint64_t flushed_to = number(*lsn);
  while (!unflushed_.empty() && unflushed_.front().first <= flushed_to) {
    flushed_ = unflushed_.front().second;
    unflushed_.pop_front();
  }
  return flushed_;
}

void PostgresLane::close() noexcept {
  targets_.clear();
  upkeep_.clear();
  catalogue_.reset();
  ingest_.reset();
  next_stage_ = 0;
  begin_pending_ = in_transaction_ = false;
}

}  // namespace rowgate::storage::postgres
