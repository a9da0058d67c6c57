#pragma once
// A database in memory that fails as a test's script says: any operation may answer with any
// outcome, a COMMIT may lose its answer on either side of taking effect, rows may be refused, and
// the last commits may be forgotten, as a database without fsync does in a crash.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sink/sink.hpp"

namespace rowgate::test {

/// What happens to a COMMIT.
enum class CommitFate : std::uint8_t { answered, lost_before, lost_after };

class MemoryDatabase {
 public:
  struct Row {
    std::string table;
    std::vector<std::string> values;  // a text form of each; NULL as "NULL"
  };

  std::unique_ptr<storage::SinkLane> lane();

  // The script; set before the lanes run. Called with the database's lock held.
  /// Before "open", "ensure", "begin", "insert", "commit", "checkpoint", "select", "flushed": an
  /// error is the answer.
  std::function<std::optional<storage::SinkError>(std::string_view operation)> fail;
  std::function<CommitFate()> commit_fate;
  /// A reason: the row is refused.
  std::function<std::optional<std::string>(const Row&)> refuse;
  /// A reason: the table does not fit.
  std::function<std::optional<std::string>(const schema::Table&)> misfit;

  /// Loses the last `n` commits, but none that a lane was told is flushed. How many it lost.
  std::size_t forget(std::size_t n);
  /// As forget(), and every connection is cut, as when the database crashes and starts again.
  std::size_t crash(std::size_t n);
  /// From now on flushed() answers what is committed; otherwise it lags `n` commits behind.
  void set_flush_lag(std::size_t n);
  void set_checkpoint(storage::Lane lane, std::string journal_id, storage::Position position);

  std::vector<Row> rows() const;
  std::vector<Row> rows(std::string_view table) const;
  std::size_t commits() const;
  std::size_t inserts() const;  // insert() calls
  std::optional<storage::Position> checkpoint(storage::Lane lane) const;
  /// What forget() could take it back to.
  std::optional<storage::Position> flushed_checkpoint(storage::Lane lane) const;

 private:
  friend class MemoryLane;
  struct Commit {
    storage::Lane lane;
    storage::Position from, to;
    std::vector<Row> rows;
  };
  struct Start {
    std::string journal_id;
    storage::Position position;
  };
  storage::Position position_of(storage::Lane lane) const;
  void forget_lanes_from(std::uint16_t lanes);

  mutable std::mutex mutex_;
  std::vector<Commit> commits_;
  std::map<storage::Lane, Start> starts_;
  std::size_t flush_lag_ = 0;
  std::size_t flushed_commits_ = 0;  // of commits_, told to a lane
  std::size_t inserts_ = 0;
  std::size_t crashes_ = 0;
};

}  // namespace rowgate::test
