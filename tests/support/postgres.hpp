#pragma once
// A PostgreSQL server of the tests' own: a fresh cluster in a temporary directory, reached over a
// Unix socket, gone with the object. Run as root it becomes user postgres, as the server insists.
#include <string>

namespace rowgate::test {

class PostgresServer {
 public:
  /// The one of this test program, started at the first call and stopped when the program ends.
  static PostgresServer& shared();

  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// postgresql://... of a database on it; `options` is more of the query part ("&user=x").
  std::string url(const std::string& database = "postgres", const std::string& options = "") const;
  /// Makes an empty database and returns its URL.
  std::string new_database();
  /// Runs SQL with psql as superuser; what it printed, unaligned, rows only. Throws on an error.
  std::string sql(const std::string& database, const std::string& text) const;

  void start();
  /// Shutdown mode `immediate` is a crash: the server recovers from its WAL.
  void stop(const std::string& mode = "immediate");
  /// Adds a line to postgresql.conf; in force after the next start().
  void configure(const std::string& line);
  /// SIGSTOP and SIGCONT for every process of the server.
  void freeze();
  void thaw();

 private:
  void signal_all(int signal) const;
  std::string directory_;
  unsigned databases_ = 0;
};

/// The database part of such a URL.
std::string database_of(const std::string& url);

}  // namespace rowgate::test
