#pragma once
// The mapping in force, and the one door by which another takes its place. A new text is parsed as
// a whole, written to the mapping file where it did not come from there, and then the Catalog is
// swapped: sessions, messages in flight and the journal do not notice, the lanes take the new one
// with their next batch. A broken text changes nothing.
//
// Every text that came into force is also kept in table rowgate_mapping (storage's MappingHistory).
// That, and looking whether the tables fit the database, is the work of a thread of its own:
// while the database is away, versions wait in memory.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/broker/live_catalog.hpp"
#include "gateway/http/api_mapping.hpp"
#include "gateway/http/server.hpp"
#include "storage/sink/mapping_history.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::cli {

class LiveMapping {
 public:
  /// How a text came here; table rowgate_mapping has the word.
  enum class Source : std::uint8_t { start, file, signal, http, rollback };

  /// Reads `file` (empty: the built-in mapping). Throws config::ConfigError.
  explicit LiveMapping(std::string file);
  /// stop().
  ~LiveMapping();
  LiveMapping(const LiveMapping&) = delete;
  LiveMapping& operator=(const LiveMapping&) = delete;

  broker::LiveCatalog& catalog() noexcept { return catalog_; }
  const broker::LiveCatalog& catalog() const noexcept { return catalog_; }

  /// Starts the thread: tables are looked at in `sink`, which outlives it, versions go to
  /// `history`.
  void start(storage::Sink& sink, std::unique_ptr<storage::MappingHistory> history);
  /// Ends the thread, after one more attempt to write what waits. Idempotent.
  void stop();

  /// Any thread: the file is to be read again, on this object's thread. `file`: it was seen to
  /// change, and is not read where it is the text in force.
  void reload_soon(Source source);
  /// Any thread: reads the file again and says what came of it.
  http::Answer reload(Source source, const std::string& who);

  /// For the API; any thread.
  http::MappingEndpoints endpoints();
  http::MappingText current() const;

 private:
  struct Waiting {
    storage::KeptMapping kept;
    std::uint64_t number = 0;  // of acceptance, since the process began
  };

  // What endpoints() is made of.
  http::MappingChange apply(std::string text, std::string_view if_match, const std::string& who,
                            bool strict);
  http::MappingChange validate(const std::string& text) const;
  http::MappingChange rollback(std::int64_t version, const std::string& who);
  http::HistoryResult<std::vector<http::MappingVersion>> history(std::int64_t before,
                                                                 std::size_t limit) const;
  http::HistoryResult<std::optional<http::MappingVersion>> version(std::int64_t number) const;

  /// changing_ is held. Puts a parsed text in force; remembers it for the history if it is new.
  void put_in_force(std::string text, std::shared_ptr<const schema::Catalog> catalog, Source source,
                    const std::string& who);
  /// changing_ is held. Parses, writes the file, puts it in force.
  http::MappingChange accept(std::string text, Source source, const std::string& who, bool strict);
  /// What the API says of an accepted text; waits a moment for its version.
  http::MappingChange accepted(std::size_t tables_seen, std::vector<std::string> warnings);
  void keep(const std::string& text, Source source, const std::string& who);

  bool file_is(const std::string& etag) const;
  void run(const std::stop_token& stop);
  /// Writes what waits. False: the database is away.
  bool write_history();
  void say_misfits();

  const std::string file_;
  std::mutex changing_;  // one change at a time; taken before mutex_
  broker::LiveCatalog catalog_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any woken_;
  std::condition_variable_any written_;
  std::string text_;
  std::string etag_;
  std::deque<Waiting> waiting_;
  std::uint64_t kept_ = 0;               // number of the text in force
  std::optional<std::int64_t> version_;  // of the text in force, once it is written
  std::optional<Source> wanted_;         // a reload that was asked for
  bool look_at_tables_ = false;

  storage::Sink* sink_ = nullptr;
  std::unique_ptr<storage::MappingHistory> history_;
  bool said_away_ = false;  // the thread's
  std::jthread thread_;
};

}  // namespace rowgate::cli
