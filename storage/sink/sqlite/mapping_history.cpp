#include "storage/sink/sqlite/mapping_history.hpp"

#include <sqlite3.h>

#include "storage/sink/sqlite/statement.hpp"

namespace rowgate::storage::sqlite {
namespace {

constexpr const char* create = R"(CREATE TABLE IF NOT EXISTS rowgate_mapping (
  gateway TEXT NOT NULL, version INTEGER NOT NULL, applied_at TEXT NOT NULL,
  source TEXT NOT NULL, who TEXT NOT NULL, etag TEXT NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (gateway, version)))";

constexpr const char* is_there =
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'rowgate_mapping'";

/// The version that makes another row needless, if there is one.
constexpr const char* find_same =
    "SELECT version FROM rowgate_mapping WHERE gateway = ?1 AND etag = ?2 AND (applied_at = ?3 OR "
    "(?4 AND version = (SELECT max(version) FROM rowgate_mapping WHERE gateway = ?1))) "
    "ORDER BY version DESC LIMIT 1";

constexpr const char* insert =
    "INSERT INTO rowgate_mapping (gateway, version, applied_at, source, who, etag, content) "
    "SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM rowgate_mapping "
    "WHERE gateway = ?1 RETURNING version";

class History final : public MappingHistory {
 public:
  History(std::string file, std::string gateway)
      : file_(std::move(file)), gateway_(std::move(gateway)) {}

  SinkResult<std::int64_t> record(const KeptMapping& kept, bool unless_newest) override {
    auto connection = Connection::open(file_, Connection::Mode::read_write);
    if (!connection) return connection.error();
    // IMMEDIATE: SQLite has one writer, and waits (a second) here rather than fails at the insert.
    if (auto begun = connection->run("BEGIN IMMEDIATE"); !begun) return begun.error();
    const auto version = record_in(*connection, kept, unless_newest);
    if (!version) return version;  // closing the connection rolls back
    if (auto done = connection->run("COMMIT"); !done) return done.error();
    return version;
  }

  SinkResult<std::vector<KeptMapping>> list(std::int64_t before, std::size_t limit) override {
    std::vector<KeptMapping> found;
    const auto read = [&](const Connection& connection) -> SinkResult<void> {
      auto select = Statement::prepare(
          connection,
          "SELECT version, applied_at, source, who, etag, '' FROM rowgate_mapping WHERE gateway = "
          "?1 AND (?2 = 0 OR version < ?2) ORDER BY version DESC LIMIT ?3");
      if (!select) return select.error();
      select->bind_text(1, gateway_);
      select->bind(2, before);
      select->bind(3, static_cast<std::int64_t>(limit));
      return read_all(connection, *select, found);
    };
    if (auto done = reading(read); !done) return done.error();
    return found;
  }

  SinkResult<std::optional<KeptMapping>> get(std::int64_t version) override {
    std::vector<KeptMapping> found;
    const auto read = [&](const Connection& connection) -> SinkResult<void> {
      auto select = Statement::prepare(
          connection,
          "SELECT version, applied_at, source, who, etag, content FROM rowgate_mapping WHERE "
          "gateway = ?1 AND version = ?2");
      if (!select) return select.error();
      select->bind_text(1, gateway_);
      select->bind(2, version);
      return read_all(connection, *select, found);
    };
    if (auto done = reading(read); !done) return done.error();
    if (found.empty()) return std::optional<KeptMapping>();
    return std::optional<KeptMapping>(std::move(found.front()));
  }

 private:
  SinkResult<std::int64_t> record_in(Connection& connection, const KeptMapping& kept,
                                     bool unless_newest) {
    if (auto made = connection.run(create); !made) return made.error();
    const std::string applied_at = to_iso8601(kept.applied_at);
    auto same = Statement::prepare(connection, find_same);
    if (!same) return same.error();
    same->bind_text(1, gateway_);
    same->bind_text(2, kept.etag);
    same->bind_text(3, applied_at);
    same->bind(4, static_cast<std::int64_t>(unless_newest ? 1 : 0));
    const int looked = same->step();
    if (looked == SQLITE_ROW) {
      const std::int64_t version = same->integer(0);
      same->reset();
      return version;
    }
    if (looked != SQLITE_DONE) return connection.error(looked, "look into rowgate_mapping");
    same->reset();

    auto add = Statement::prepare(connection, insert);
    if (!add) return add.error();
    add->bind_text(1, gateway_);
    add->bind_text(2, applied_at);
    add->bind_text(3, kept.source);
    add->bind_text(4, kept.who);
    add->bind_text(5, kept.etag);
    add->bind_text(6, kept.content);
    const int added = add->step();
    if (added != SQLITE_ROW) return connection.error(added, "write to rowgate_mapping");
    const std::int64_t version = add->integer(0);
    const int ended = add->step();
    if (ended != SQLITE_DONE) return connection.error(ended, "write to rowgate_mapping");
    add->reset();
    return version;
  }

  /// `read` is not called where there is no such table yet.
  template <class Read>
  SinkResult<void> reading(Read read) {
    auto connection = Connection::open(file_, Connection::Mode::read_only);
    if (!connection) return connection.error();
    auto table = Statement::prepare(*connection, is_there);
    if (!table) return table.error();
    const int code = table->step();
    table->reset();
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_ROW) return connection->error(code, "look for rowgate_mapping");
    return read(*connection);
  }

  static SinkResult<void> read_all(const Connection& connection, Statement& select,
                                   std::vector<KeptMapping>& to) {
    int code = SQLITE_ROW;
    while ((code = select.step()) == SQLITE_ROW) {
      KeptMapping& kept = to.emplace_back();
      kept.version = select.integer(0);
      kept.applied_at = parse_iso8601(select.text(1)).value_or(Timestamp{});
      kept.source = select.text(2);
      kept.who = select.text(3);
      kept.etag = select.text(4);
      kept.content = select.text(5);
    }
    if (code != SQLITE_DONE) return connection.error(code, "read rowgate_mapping");
    return {};
  }

  std::string file_;
  std::string gateway_;
};

}  // namespace

std::unique_ptr<MappingHistory> make_mapping_history(std::string file, std::string gateway) {
  return std::make_unique<History>(std::move(file), std::move(gateway));
}

}  // namespace rowgate::storage::sqlite
