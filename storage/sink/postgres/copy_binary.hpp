#pragma once
// The ingest connection: libpq, because Debian's libpqxx has no binary COPY. copy_binary.cpp alone
// includes libpq. Never blocks longer than its time-outs. One thread.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sink/sink.hpp"

struct pg_conn;
struct pg_result;
struct pollfd;

namespace rowgate::storage::postgres {

class IngestConnection {
 public:
  using Ticks = std::chrono::steady_clock::time_point;
  struct Limits {
    std::chrono::seconds connect{10};
    /// The server may stay silent so long within one statement.
    std::chrono::seconds answer{30};
    /// Later than this nothing is waited for. May be set by another thread; null: never.
    const std::atomic<Ticks>* give_up_at = nullptr;
  };

  /// `url` is a postgresql:// URL. `first_contact` as in outcome_of(). Of several hosts the first
  /// that lets us in and is what target_session_attrs asks for; one that is silent costs
  /// limits.connect.
  static SinkResult<IngestConnection> connect(const std::string& url, const std::string& name,
                                              bool first_contact, Limits limits);

  /// Runs statements, separated by semicolons, in one round trip. The first value of the last
  /// statement that returned a row, or "".
  SinkResult<std::string> run(const std::string& sql);

  /// As run(), but every row of that statement.
  SinkResult<QueryResult> query(const std::string& sql);
  /// How many rows the last statement of the last run() changed.
  std::uint64_t changed() const noexcept { return changed_; }

  /// Runs statements of which the last is COPY ... FROM STDIN.
  SinkResult<void> copy_begin(const std::string& sql);
  SinkResult<void> copy_send(std::string_view bytes);
  /// Ends the COPY and waits for the server's verdict. After a failed copy_send too, which leaves
  /// the reason to the server. `abort`, if not null, makes the COPY fail for that reason.
  SinkResult<void> copy_end(const char* abort = nullptr);

  /// `url` for another connection to the host that this one found.
  std::string same_host(const std::string& url) const;

  /// False: the connection is lost, and so is the answer to what was last sent.
  bool alive() const noexcept { return alive_; }
  /// The SQLSTATE of the last error; "" if there was none or the connection broke.
  const std::string& sqlstate() const noexcept { return sqlstate_; }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const noexcept;
  };
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  using PgResult = std::unique_ptr<pg_result, Clear>;
  enum class Wait : std::uint8_t { to_read, to_read_or_write };

  struct Host;
  static std::vector<Host> hosts_of(const std::string& url);
  static SinkResult<IngestConnection> connect_to(const Host* host, const std::string& url,
                                                 const std::string& name, bool first_contact,
                                                 Limits limits);
  IngestConnection(pg_conn* connection, bool first_contact, Limits limits);
  SinkResult<void> finish_connecting();
  SinkResult<void> send(const std::string& sql);
  SinkResult<void> flush();
  SinkResult<PgResult> next_result();
  SinkResult<void> wait(Wait what);
  /// poll() until `deadline` or until it is time to give up; 0: the time is over.
  int poll_until(pollfd& fd, Ticks deadline) const noexcept;
  /// The server's answer to the rest of the statements: the last one with rows (none: null) or the
  /// first error.
  SinkResult<PgResult> drain_results();
  SinkError server_error(const PgResult& result);
  SinkError broken(std::string_view what);

  std::unique_ptr<pg_conn, Finish> connection_;
  Limits limits_;
  bool first_contact_;
  bool alive_ = true;
  std::uint64_t changed_ = 0;
  std::string sqlstate_;
};

}  // namespace rowgate::storage::postgres
