#pragma once
// One SQLite connection that takes a lane's rows.
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/sink/sink.hpp"
#include "storage/sink/sqlite/ddl.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "storage/sink/sqlite/statement.hpp"

namespace rowgate::storage::sqlite {

/// What the database has under the table's name; nullopt: nothing.
SinkResult<std::optional<ExistingTable>> read_table(const Connection& connection,
                                                    const std::string& name);
/// The DDL that makes the table fit. row_rejected: it cannot.
SinkResult<std::vector<std::string>> plan_table(const Connection& connection,
                                                const schema::Table& table);

class SqliteLane final : public SinkLane {
 public:
  SqliteLane(std::string file, Synchronous synchronous)
      : file_(std::move(file)), synchronous_(synchronous) {}

  SinkResult<Position> open(const DrainIdentity& identity, Position start) override;
  SinkResult<void> ensure(const schema::Table& table) override;
  SinkResult<void> begin() override;
  SinkResult<void> insert(const RowSlice& rows, bool savepoint) override;
  SinkResult<void> commit(Position from, Position to) override;
  void rollback() noexcept override;
  SinkResult<Position> flushed() override;

 private:
  /// A table as ensured, and the statement that inserts a row of it.
  struct Target {
    schema::Table table;
    std::optional<Statement> insert;
  };

  SinkResult<void> configure();
  SinkResult<Position> read_checkpoint(Position start);
  SinkResult<Statement*> insert_statement(const schema::Table& table);
  SinkResult<void> insert_rows(const RowSlice& rows, Statement& statement);
  void close() noexcept;

  std::string file_;
  Synchronous synchronous_;
  DrainIdentity identity_;
  bool opened_once_ = false;
  std::optional<Connection> connection_;
  std::optional<Statement> begin_, commit_, move_checkpoint_;
  std::unordered_map<std::string, Target> targets_;  // by table name
  std::vector<std::uint32_t> order_;                 // reused
  std::vector<char> text_;  // reused: a row's timestamps and UUIDs as text, one slot a column
  Position committed_;
  Position flushed_;
  // What open() finds in the WAL may be a commit that was killed before its sync, or whose sync
  // failed: readable, but not on disk. Until a WAL checkpoint, later syncs prove nothing about it.
  bool wal_synced_ = false;
};

}  // namespace rowgate::storage::sqlite
