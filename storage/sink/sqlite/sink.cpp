#include "storage/sink/sqlite/sink.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/sink/sqlite/lane.hpp"

namespace rowgate::storage::sqlite {
namespace {

class SqliteSink final : public Sink {
 public:
  SqliteSink(std::string file, Synchronous synchronous)
      : file_(std::move(file)), synchronous_(synchronous) {}

  std::unique_ptr<SinkLane> lane(Lane) override {
    return std::make_unique<SqliteLane>(file_, synchronous_);
  }
  std::uint16_t default_lanes() const noexcept override { return 1; }
  std::string describe() const override { return "sqlite:" + file_; }

  SinkResult<std::vector<std::string>> plan(const schema::Table& table) override {
    const auto connection = Connection::open(file_, Connection::Mode::read_only);
    if (connection) return plan_table(*connection, table);
    // A file that is not there yet is an empty database.
    if (const auto changes = plan_changes(nullptr, table)) return *changes;
    return connection.error();
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

    QueryResult result;
    for (int i = 0; i < statement->columns(); ++i)
      result.columns.emplace_back(statement->column_name(i));
    int code = SQLITE_DONE;
    while ((code = statement->step()) == SQLITE_ROW) {
      auto& row = result.rows.emplace_back();
      for (int i = 0; i < statement->columns(); ++i) row.push_back(cell(*statement, i));
    }
    if (code != SQLITE_DONE) return as_query_error(connection->error(code, "query"));
    return result;
  }

 private:
  static std::optional<std::string> cell(const Statement& statement, int i) {
    if (statement.is_null(i)) return std::nullopt;
    if (!statement.is_blob(i)) return std::string(statement.text(i));
    std::string hex = "\\x";  // as psql shows bytea
    for (const char c : statement.text(i))
      fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
    return hex;
  }
  /// A wrong statement is its author's to mend, not something to retry.
  static SinkError as_query_error(SinkError error) {
    if (error.outcome == CommitOutcome::retry) error.outcome = CommitOutcome::row_rejected;
    return error;
  }

  std::string file_;
  Synchronous synchronous_;
};

}  // namespace

std::unique_ptr<Sink> make_sink(std::string file, Synchronous synchronous) {
  return std::make_unique<SqliteSink>(std::move(file), synchronous);
}

}  // namespace rowgate::storage::sqlite
