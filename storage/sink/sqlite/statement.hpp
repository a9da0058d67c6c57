#pragma once
// RAII over SQLite's C interface: a connection and a prepared statement. One thread each.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/sink/sink.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace rowgate::storage::sqlite {

/// What a SQLite result code asks for. `message` reads "what (file): why; what to do".
SinkError to_error(int code, const std::string& file, std::string_view what, const char* reason);

class Connection {
 public:
  enum class Mode : std::uint8_t { read_write, read_only };
  /// Opens `file`; in read_write mode creates it where missing.
  static SinkResult<Connection> open(const std::string& file, Mode mode);

  sqlite3* get() const noexcept { return db_.get(); }
  /// Runs statements that return no rows.
  SinkResult<void> run(const char* sql);
  /// The connection's last error as a SinkError.
  SinkError error(int code, std::string_view what) const;
  bool in_transaction() const noexcept;
  /// The file was renamed or deleted under us: commits would go where nobody finds them.
  bool file_moved() const noexcept;
  /// Rows changed by the last statement.
  int changes() const noexcept;

 private:
  struct Close {
    void operator()(sqlite3* db) const noexcept;
  };
  Connection(sqlite3* db, std::string file) : db_(db), file_(std::move(file)) {}

  std::unique_ptr<sqlite3, Close> db_;
  std::string file_;
};

class Statement {
 public:
  /// Prepares the first statement of `sql`; `rest`, if given, becomes what follows it.
  static SinkResult<Statement> prepare(const Connection& connection, std::string_view sql,
                                       std::string_view* rest = nullptr);

  /// Parameters count from 1. Bytes are not copied: they must live until reset().
  void bind_null(int i) noexcept;
  void bind(int i, std::int64_t v) noexcept;
  void bind(int i, double v) noexcept;
  void bind_text(int i, std::string_view v) noexcept;
  void bind_blob(int i, std::string_view v) noexcept;

  /// SQLITE_ROW, SQLITE_DONE, or an error code.
  int step() noexcept;
  void reset() noexcept;
  /// step() and reset() for a statement without rows: SQLITE_DONE or an error code.
  int execute() noexcept;

  int columns() const noexcept;
  bool read_only() const noexcept;
  std::string_view column_name(int i) const noexcept;
  bool is_null(int i) const noexcept;
  bool is_blob(int i) const noexcept;
  std::int64_t integer(int i) const noexcept;
  /// Valid until the next step() or reset().
  std::string_view text(int i) const noexcept;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Steps to the end: every row, as text.
SinkResult<QueryResult> read_rows(const Connection& connection, Statement& statement);

}  // namespace rowgate::storage::sqlite
