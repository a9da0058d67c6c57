#include "storage/sink/postgres/mapping_history.hpp"

#include <fmt/format.h>

#include <pqxx/pqxx>
#include <string_view>

#include "storage/sink/postgres/cut_off.hpp"
#include "storage/sink/postgres/sink.hpp"

namespace rowgate::storage::postgres {
namespace {

/// Longer than the statements' own limit, for a server that says nothing at all.
constexpr std::chrono::seconds silence_limit{10};

/// Short: somebody waits for an answer, and the next attempt comes by itself.
std::string with_time_limits(std::string url) {
  for (const std::string_view limit : {"connect_timeout=3", "tcp_user_timeout=5000"}) {
    if (url.find(limit.substr(0, limit.find('='))) != std::string::npos) continue;
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += limit;
  }
  return url;
}

constexpr const char* create = R"(CREATE TABLE IF NOT EXISTS rowgate_mapping (
  gateway text NOT NULL, version bigint NOT NULL, applied_at timestamptz NOT NULL,
  source text NOT NULL, who text NOT NULL, etag text NOT NULL, content text NOT NULL,
  PRIMARY KEY (gateway, version)))";

/// As SQLite's history writes it: both sides read ISO 8601.
constexpr const char* columns =
    "version, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
    "source, who, etag";

KeptMapping read(const pqxx::row& row) {
  KeptMapping kept;
  kept.version = row[0].as<std::int64_t>();
  kept.applied_at = parse_iso8601(row[1].c_str()).value_or(Timestamp{});
  kept.source = row[2].c_str();
  kept.who = row[3].c_str();
  kept.etag = row[4].c_str();
  kept.content = row[5].c_str();
  return kept;
}

class History final : public MappingHistory {
 public:
  History(std::string url, std::string gateway)
      : url_(std::move(url)), gateway_(std::move(gateway)) {}

  SinkResult<std::int64_t> record(const KeptMapping& kept, bool unless_newest) override {
    return guarded<std::int64_t>([&](pqxx::work& tx) { return add(tx, kept, unless_newest); });
  }

  SinkResult<std::vector<KeptMapping>> list(std::int64_t before, std::size_t limit) override {
    return guarded<std::vector<KeptMapping>>([&](pqxx::work& tx) {
      std::vector<KeptMapping> found;
      if (!is_there(tx)) return found;
      const pqxx::result rows = tx.exec_params(
          fmt::format("SELECT {}, '' FROM rowgate_mapping WHERE gateway = $1 AND ($2 = 0 OR "
                      "version < $2) ORDER BY version DESC LIMIT $3",
                      columns),
          gateway_, before, static_cast<std::int64_t>(limit));
      for (const pqxx::row& row : rows) found.push_back(read(row));
      return found;
    });
  }

  SinkResult<std::optional<KeptMapping>> get(std::int64_t version) override {
    return guarded<std::optional<KeptMapping>>([&](pqxx::work& tx) -> std::optional<KeptMapping> {
      if (!is_there(tx)) return std::nullopt;
      const pqxx::result rows = tx.exec_params(
          fmt::format("SELECT {}, content FROM rowgate_mapping WHERE gateway = $1 AND version "
                      "= $2",
                      columns),
          gateway_, version);
      if (rows.empty()) return std::nullopt;
      return read(rows[0]);
    });
  }

 private:
  static bool is_there(pqxx::work& tx) {
    return !tx.exec1("SELECT to_regclass('rowgate_mapping')")[0].is_null();
  }

  std::int64_t add(pqxx::work& tx, const KeptMapping& kept, bool unless_newest) {
    // One gateway at a time: CREATE TABLE IF NOT EXISTS alone may collide with another's.
    tx.exec("SELECT pg_advisory_xact_lock(32210694764422246)");
    if (!is_there(tx)) tx.exec(create);
    const std::string applied_at = to_iso8601(kept.applied_at);
    const pqxx::result same = tx.exec_params(
        "SELECT version FROM rowgate_mapping WHERE gateway = $1 AND etag = $2 AND (applied_at = "
        "$3::timestamptz OR ($4 AND version = (SELECT max(version) FROM rowgate_mapping WHERE "
        "gateway = $1))) ORDER BY version DESC LIMIT 1",
        gateway_, kept.etag, applied_at, unless_newest);
    if (!same.empty()) return same[0][0].as<std::int64_t>();
    const pqxx::row added = tx.exec_params1(
        "INSERT INTO rowgate_mapping (gateway, version, applied_at, source, who, etag, content) "
        "SELECT $1::text, coalesce(max(version), 0) + 1, $2::timestamptz, $3::text, $4::text, "
        "$5::text, $6::text FROM rowgate_mapping WHERE gateway = $1::text RETURNING version",
        gateway_, applied_at, kept.source, kept.who, kept.etag, kept.content);
    return added[0].as<std::int64_t>();
  }

  /// One transaction on a new connection; what is thrown becomes a SinkError.
  template <class T, class Work>
  SinkResult<T> guarded(Work work) {
    std::string_view what;
    std::string reason;
    try {
      pqxx::connection connection(with_time_limits(url_));
      const CutOff cut_off(connection.sock(), silence_limit, nullptr);
      pqxx::work tx(connection);
      tx.exec(
          "SET LOCAL client_min_messages = error; SET LOCAL lock_timeout = '3s'; "
          "SET LOCAL statement_timeout = '5s'");
      T result = work(tx);
      tx.commit();
      return result;
    } catch (const pqxx::sql_error& e) {
      what = "read or write rowgate_mapping";
      reason = e.what();
    } catch (const std::exception& e) {
      what = "connect";
      reason = e.what();
    }
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    for (char& c : reason) {
      if (c == '\n') c = ' ';
    }
    return SinkError{CommitOutcome::retry,
                     fmt::format("{} ({}): {}", what, without_secrets(url_), reason)};
  }

  std::string url_;
  std::string gateway_;
};

}  // namespace

std::unique_ptr<MappingHistory> make_mapping_history(std::string url, std::string gateway) {
  return std::make_unique<History>(std::move(url), std::move(gateway));
}

}  // namespace rowgate::storage::postgres
