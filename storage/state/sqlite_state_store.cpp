// The state store as a SQLite file in WAL mode: a commit is one append to the WAL and one sync.
#include <fmt/format.h>
#include <sqlite3.h>

#include <stdexcept>
#include <utility>

#include "storage/sink/sqlite/statement.hpp"
#include "storage/state/state_store.hpp"

namespace rowgate::storage {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::int64_t version = 1;

constexpr const char* tables =
    "CREATE TABLE meta(journal_id TEXT NOT NULL, position INTEGER NOT NULL,"
    " version INTEGER NOT NULL);"
    "CREATE TABLE state(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;";

/// What to do about a file that is not what it should be.
constexpr const char* begin_anew =
    "Restore data directory and journal together from one backup, or move the file away (and those "
    "with -wal and -shm behind its name): sessions and retained messages then begin anew from what "
    "the journal still holds.";

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw std::runtime_error(fmt::format("the session state {} {}. {}", path, why, begin_anew));
}

template <class T>
T require(SinkResult<T> result) {
  if (!result) throw std::runtime_error(fmt::format("session state: {}", result.error().message));
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class SqliteStateStore final : public StateStore {
 public:
  SqliteStateStore(Connection db, std::string path, Position checkpoint)
      : db_(std::move(db)),
        path_(std::move(path)),
        checkpoint_(checkpoint),
        put_(prepare("REPLACE INTO state(key, value) VALUES(?1, ?2)")),
        erase_(prepare("DELETE FROM state WHERE key = ?1")),
        move_(prepare("UPDATE meta SET position = ?1")) {}

  Position checkpoint() const noexcept override { return checkpoint_; }

  void load(
      const std::function<void(std::string_view key, std::string_view value)>& visit) override {
    Statement all = prepare("SELECT key, value FROM state ORDER BY key");
    int code = SQLITE_ROW;
    while ((code = all.step()) == SQLITE_ROW) visit(all.text(0), all.text(1));
    if (code == SQLITE_DONE) return;
    if ((code & 0xff) == SQLITE_CORRUPT) refuse(path_, "is damaged");
    throw std::runtime_error(db_.error(code, "read the session state").message);
  }

  Result<void, std::string> commit(std::span<const Change> changes, Position checkpoint) override {
    if (db_.file_moved()) {
      return fmt::format(
          "store the session state: {} was renamed or deleted; put it back and restart the gateway",
          path_);
    }
    const int code = apply(changes, checkpoint);
    if (code != SQLITE_OK) {
      std::string why = db_.error(code, "store the session state").message;
      // Of some errors SQLite has rolled back by itself.
      if (db_.in_transaction()) (void)run("ROLLBACK");
      return why;
    }
    checkpoint_ = checkpoint;
    return {};
  }

 private:
  int run(const char* sql) { return sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr); }
  Statement prepare(std::string_view sql) { return require(Statement::prepare(db_, sql)); }

  /// From BEGIN to COMMIT. SQLITE_OK or the error's code.
  int apply(std::span<const Change> changes, Position checkpoint) {
    // IMMEDIATE: whoever else holds the file is waited for here, not halfway.
    if (const int code = run("BEGIN IMMEDIATE"); code != SQLITE_OK) return code;
    for (const Change& change : changes) {
      Statement& statement = change.value ? put_ : erase_;
      statement.bind_blob(1, change.key);
      if (change.value) statement.bind_blob(2, *change.value);
      if (const int code = statement.execute(); code != SQLITE_DONE) return code;
    }
    move_.bind(1, static_cast<std::int64_t>(checkpoint.value));
    if (const int code = move_.execute(); code != SQLITE_DONE) return code;
    return run("COMMIT");
  }

  Connection db_;
  const std::string path_;
  Position checkpoint_;
  Statement put_;
  Statement erase_;
  Statement move_;
};

/// Whether there is nothing in the file, as in one just made. Throws when it is no database.
bool is_empty(Connection& db, const std::string& path) {
  int code = SQLITE_OK;
  if (auto schema = Statement::prepare(db, "SELECT count(*) FROM sqlite_schema")) {
    code = schema->step();
    if (code == SQLITE_ROW) return schema->integer(0) == 0;
  } else {
    code = sqlite3_extended_errcode(db.get());
  }
  if ((code & 0xff) == SQLITE_NOTADB) refuse(path, "is not a database");
  if ((code & 0xff) == SQLITE_CORRUPT) refuse(path, "is damaged");
  throw std::runtime_error(db.error(code, "open the session state").message);
}

void create(Connection& db, const std::string& journal_id, Position first) {
  require(db.run("BEGIN IMMEDIATE"));
  require(db.run(tables));
  auto insert = require(Statement::prepare(db, "INSERT INTO meta VALUES(?1, ?2, ?3)"));
  insert.bind_text(1, journal_id);
  insert.bind(2, static_cast<std::int64_t>(first.value));
  insert.bind(3, version);
  if (const int code = insert.execute(); code != SQLITE_DONE) {
    throw std::runtime_error(db.error(code, "make the session state").message);
  }
  require(db.run("COMMIT"));
}

/// The checkpoint of a file that is ours.
Position read_meta(Connection& db, const std::string& path, const std::string& journal_id) {
  auto meta = Statement::prepare(db, "SELECT version, journal_id, position FROM meta");
  const int code = meta ? meta->step() : sqlite3_extended_errcode(db.get());
  if ((code & 0xff) == SQLITE_CORRUPT) refuse(path, "is damaged");
  if (code == SQLITE_DONE || (code & 0xff) == SQLITE_ERROR) {
    refuse(path, "is a database, but of something else");
  }
  if (code != SQLITE_ROW) {
    throw std::runtime_error(db.error(code, "open the session state").message);
  }
  if (meta->integer(0) != version) {
    throw std::runtime_error(
        fmt::format("the session state {} has format version {}, and this program knows version "
                    "{}: start the program that wrote it",
                    path, meta->integer(0), version));
  }
  if (meta->text(1) != journal_id) {
    refuse(path, fmt::format("belongs to journal {}, and the journal here is {}", meta->text(1),
                             journal_id));
  }
  return {static_cast<std::uint64_t>(meta->integer(2))};
}

}  // namespace

std::unique_ptr<StateStore> open_state_store(const std::string& path, const std::string& journal_id,
                                             Position first) {
  auto db = require(Connection::open(path, Connection::Mode::read_write));
  // Looked at first: a file of something else stays as it is.
  const bool empty = is_empty(db, path);
  if (!empty) first = read_meta(db, path, journal_id);
  require(db.run("PRAGMA journal_mode = WAL"));
  require(db.run("PRAGMA synchronous = FULL"));
  if (empty) create(db, journal_id, first);
  return std::make_unique<SqliteStateStore>(std::move(db), path, first);
}

}  // namespace rowgate::storage
