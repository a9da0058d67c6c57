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
  std::string message;  // for people: what, where, what to do
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

  /// Any thread. From `when` on, whatever waits for the database ends as a lost connection does, so
  /// that a stop ends.
  virtual void give_up_at(std::chrono::steady_clock::time_point when) noexcept {
    static_cast<void>(when);
  }

  /// The highest committed position known to survive a crash of the database
  /// (SQLite: synchronous=FULL or after a WAL checkpoint; PostgreSQL: WAL flushed past the commit).
  virtual SinkResult<Position> flushed() = 0;
};

/// Text results for `rowgate query` and the console: NULL as nullopt.
struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::unique_ptr<SinkLane> lane(Lane lane) = 0;
  /// How many lanes gain by draining in parallel (SQLite: 1).
  virtual std::uint16_t default_lanes() const noexcept = 0;
  /// "sqlite:/data/telemetry.db", "postgresql://user@host/db" - never a password.
  virtual std::string describe() const = 0;
  /// The DDL ensure() would run now, statement by statement, without running it. Connects.
  virtual SinkResult<std::vector<std::string>> plan(const schema::Table& table) = 0;
  /// Runs one read-only statement. Connects.
  virtual SinkResult<QueryResult> query(const std::string& sql) = 0;
};

struct SinkOptions {
  std::string url;                          // "sqlite:FILE" or "postgresql://..."
  std::string sqlite_synchronous = "full";  // full | normal
};

}  // namespace rowgate::storage
