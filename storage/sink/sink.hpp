#pragma once
// The seam to a database that takes rows. A Sink is shared; a SinkLane is one connection, used by
// one drain thread. No exception leaves either: a database's troubles become a SinkError whose
// outcome names the next action.
//
// One batch: begin, insert..., commit(from, to). The checkpoint moves in the same transaction,
// guarded by `WHERE position = from`.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/base/result.hpp"
#include "schema/base/time.hpp"
#include "schema/row_batch.hpp"
#include "schema/table.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

/// What to do next, not what went wrong.
enum class CommitOutcome : std::uint8_t {
  committed,     // go on
  row_rejected,  // one of these rows is refused for good: bisect, dead-letter it
  retry,         // the database is away or busy: roll back, back off, reconnect, do it again
  in_doubt,      // COMMIT was sent and its answer lost: reconnect and re-read the checkpoint
  fenced,        // the checkpoint is not where we left it: another gateway has our identity; stop
  fatal,         // nothing will help (no such database, no privilege): say so and stop
};

struct SinkError {
  CommitOutcome outcome = CommitOutcome::retry;
  std::string message;                 // for people: what, where, what to do
  std::vector<std::string> misfits{};  // of a table that does not fit: the message's parts
};

template <class T>
using SinkResult = Result<T, SinkError>;

/// Who drains: the key of the checkpoint row.
struct DrainIdentity {
  std::string gateway;     // this gateway's identity
  std::string journal_id;  // of the journal the position belongs to
  Lane lane;
  std::uint16_t lanes = 0;  // of that journal; 0: not known
};

/// Text results, also for `rowgate query`: NULL as nullopt, bytea as `\x` and hex digits.
struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

/// Whose SQL a sink speaks, where the two differ.
enum class Dialect : std::uint8_t { sqlite, postgres };

/// What maintain() did.
struct Maintained {
  std::uint64_t rows = 0;        // deleted
  std::uint64_t partitions = 0;  // dropped
  bool more = false;             // there is more of it to do
};

/// Rows [first, first + count) of one batch.
struct RowSlice {
  const schema::RowBatch* batch = nullptr;
  std::size_t first = 0;
  std::size_t count = 0;
};

class SinkLane {
 public:
  virtual ~SinkLane() = default;
  /// Connects (again), creates the gateway's own tables where missing, and reads the checkpoint,
  /// inserting it at `start` where there is none. fenced: it belongs to another journal.
  /// Checkpoints of lanes that the journal no longer has are forgotten: it was drained when it gave
  /// them up, and if it has them again they begin at `start`.
  virtual SinkResult<Position> open(const DrainIdentity& identity, Position start) = 0;
  /// Makes the table fit: creates it, adds columns; never drops or retypes. row_rejected: the
  /// existing table cannot take the mapping's rows (message names column, has and needs).
  /// Outside a transaction only.
  virtual SinkResult<void> ensure(const schema::Table& table) = 0;

  virtual SinkResult<void> begin() = 0;
  /// Inserts the slice. With `savepoint`, a refusal (row_rejected) leaves the transaction as it was
  /// before; without, the transaction must be rolled back.
  virtual SinkResult<void> insert(const RowSlice& rows, bool savepoint) = 0;
  /// Moves the checkpoint and commits. After in_doubt only open() is allowed.
  virtual SinkResult<void> commit(Position from, Position to) = 0;
  virtual void rollback() noexcept = 0;
  /// Where the lane's checkpoint is in the database now: one cheap read that locks nothing. Outside
  /// a transaction only. fenced: it belongs to another journal, or is gone.
  virtual SinkResult<Position> checkpoint() = 0;

  /// One small step of what table.storage asks for as time goes by: partitions made ahead, rows and
  /// partitions past the retention removed, the file's unused pages given back. Makes the table
  /// where it is missing. Outside a transaction only. An error leaves the lane as it was, or a
  /// connection that the next begin() or insert() finds lost.
  virtual SinkResult<Maintained> maintain(const schema::Table& table, Timestamp now) {
    static_cast<void>(table);
    static_cast<void>(now);
    return Maintained{};
  }
  /// What people should know of the tables ensured since the last call: what this database cannot
  /// do, and what is done instead. The lanes of a sink say each sentence once between them.
  virtual std::vector<std::string> take_notes() { return {}; }

  /// Any thread. From `when` on, whatever waits for the database ends as a lost connection does, so
  /// that a stop ends.
  virtual void give_up_at(std::chrono::steady_clock::time_point when) noexcept {
    static_cast<void>(when);
  }

  /// The highest committed position known to survive a crash of the database
  /// (SQLite: synchronous=FULL or after a WAL checkpoint; PostgreSQL: WAL flushed past the commit).
  virtual SinkResult<Position> flushed() = 0;

  // For storage/replay, which moves rows of the gateway's own tables: instead of open() and
  // commit(), and with no checkpoint read, locked or moved. What has no tables of its own cannot.

  /// Connects (again) and creates the gateway's own tables where missing.
  virtual SinkResult<void> connect() { return no_replay(); }
  /// Inside the transaction: one statement that returns rows.
  virtual SinkResult<QueryResult> select(const std::string& sql) {
    static_cast<void>(sql);
    return no_replay();
  }
  /// Inside the transaction: one statement that returns none. How many rows it changed.
  virtual SinkResult<std::uint64_t> execute(const std::string& sql) {
    static_cast<void>(sql);
    return no_replay();
  }
  /// in_doubt: connect() again and look.
  virtual SinkResult<void> commit_without_checkpoint() { return no_replay(); }

 private:
  static SinkError no_replay() {
    return {CommitOutcome::fatal, "this sink keeps no dead letters to replay"};
  }
};

/// What ensure() would do with a table.
struct TablePlan {
  std::vector<std::string> statements;  // the DDL
  std::vector<std::string> notes;       // as SinkLane::take_notes()
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::unique_ptr<SinkLane> lane(Lane lane) = 0;
  /// How many lanes gain by draining in parallel (SQLite: 1).
  virtual std::uint16_t default_lanes() const noexcept = 0;
  virtual Dialect dialect() const noexcept = 0;
  /// "sqlite:/data/telemetry.db", "postgresql://user@host/db" - never a password.
  virtual std::string describe() const = 0;
  /// What ensure() would do now, without doing it. row_rejected: as there. Connects.
  virtual SinkResult<TablePlan> plan(const schema::Table& table) = 0;
  /// Runs one read-only statement. Connects.
  virtual SinkResult<QueryResult> query(const std::string& sql) = 0;
};

struct SinkOptions {
  std::string url;                          // "sqlite:FILE" or "postgresql://..."
  std::string sqlite_synchronous = "full";  // full | normal
};

}  // namespace rowgate::storage
