#include "storage/sink/sqlite/sink.hpp"

#include "storage/sink/sqlite/lane.hpp"

namespace rowgate::storage::sqlite {
namespace {

class SqliteSink final : public Sink {
 public:
  SqliteSink(std::string file, Synchronous synchronous)
      : file_(std::move(file)), synchronous_(synchronous) {}

  std::unique_ptr<SinkLane> lane(Lane) override {
    return std::make_unique<SqliteLane>(file_, synchronous_, notes_);
  }
  std::uint16_t default_lanes() const noexcept override { return 1; }
  Dialect dialect() const noexcept override { return Dialect::sqlite; }
  std::string describe() const override { return "sqlite:" + file_; }

  SinkResult<TablePlan> plan(const schema::Table& table) override {
    const auto connection = Connection::open(file_, Connection::Mode::read_only);
    // A file that is not there yet is an empty database.
    if (!connection) return to_plan(plan_changes(nullptr, table));
    auto changes = plan_table(*connection, table);
    if (!changes) return changes.error();
    return to_plan(std::move(*changes));
  }

  SinkResult<QueryResult> query(const std::string& sql) override {
    const auto connection = Connection::open(file_, Connection::Mode::read_only);
    if (!connection) return as_query_error(connection.error());
    std::string_view rest;
    auto statement = Statement::prepare(*connection, sql, &rest);
    if (!statement) return as_query_error(statement.error());
    if (rest.find_first_not_of(" \t\r\n;") != std::string_view::npos)
      return SinkError{CommitOutcome::row_rejected, "query: one statement at a time"};
    if (!statement->read_only())
      return SinkError{CommitOutcome::row_rejected, "query: only statements that read are allowed"};

    auto result = read_rows(*connection, *statement);
    if (!result) return as_query_error(result.error());
    return result;
  }

 private:
  /// A wrong statement is its author's to mend, not something to retry.
  static SinkError as_query_error(SinkError error) {
    if (error.outcome == CommitOutcome::retry) error.outcome = CommitOutcome::row_rejected;
    return error;
  }

  std::string file_;
  Synchronous synchronous_;
  std::shared_ptr<Notes> notes_ = std::make_shared<Notes>();
};

}  // namespace

std::unique_ptr<Sink> make_sink(std::string file, Synchronous synchronous) {
  return std::make_unique<SqliteSink>(std::move(file), synchronous);
}

}  // namespace rowgate::storage::sqlite
