#pragma once
// One SQLite connection that takes a lane's rows.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/sink/notes.hpp"
#include "storage/sink/sink.hpp"
#include "storage/sink/sqlite/ddl.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "storage/sink/sqlite/statement.hpp"

namespace rowgate::storage::sqlite {

/// What the database has under the table's name; nullopt: nothing.
SinkResult<std::optional<ExistingTable>> read_table(const Connection& connection,
                                                    const std::string& name);
/// What makes the table fit.
SinkResult<Changes> plan_table(const Connection& connection, const schema::Table& table);

class SqliteLane final : public SinkLane {
 public:
  SqliteLane(std::string file, Synchronous synchronous,
             std::shared_ptr<Notes> notes = std::make_shared<Notes>())
      : file_(std::move(file)), synchronous_(synchronous), notes_(std::move(notes)) {}

  SinkResult<Position> open(const DrainIdentity& identity, Position start) override;
  SinkResult<void> ensure(const schema::Table& table) override;
  SinkResult<void> begin() override;
  SinkResult<void> insert(const RowSlice& rows, bool savepoint) override;
  SinkResult<void> commit(Position from, Position to) override;
  void rollback() noexcept override;
  SinkResult<Position> checkpoint() override;
  SinkResult<Position> flushed() override;
  SinkResult<Maintained> maintain(const schema::Table& table, Timestamp now) override;
  std::vector<std::string> take_notes() override { return std::exchange(unsaid_, {}); }
  SinkResult<void> connect() override;
  SinkResult<QueryResult> select(const std::string& sql) override;
  SinkResult<std::uint64_t> execute(const std::string& sql) override;
  SinkResult<void> commit_without_checkpoint() override;

 private:
  /// A table as ensured, and the statement that inserts a row of it.
  struct Target {
    schema::Table table;
    std::optional<Statement> insert;
  };

  SinkResult<void> open_file();
  SinkError open_error(SinkError error);
  SinkResult<void> still_in_place();
  SinkResult<void> end_transaction();
  SinkResult<void> configure();
  SinkResult<std::uint64_t> delete_some(const schema::Table& table, Timestamp before);
  /// Whether pages were given back, and there are more.
  SinkResult<bool> shrink();
  SinkResult<std::int64_t> pragma(const char* name);
  SinkResult<Position> read_checkpoint(Position start);
  SinkResult<Statement*> insert_statement(const schema::Table& table);
  SinkResult<void> insert_rows(const RowSlice& rows, Statement& statement);
  void close() noexcept;

  std::string file_;
  Synchronous synchronous_;
  std::shared_ptr<Notes> notes_;
  std::vector<std::string> unsaid_;
  std::int64_t rows_a_step_ = 500;  // follows what a step took
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
