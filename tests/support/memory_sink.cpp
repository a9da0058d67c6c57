#include "tests/support/memory_sink.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace rowgate::test {

using schema::Type;
using storage::CommitOutcome;
using storage::Position;
using storage::SinkError;
using storage::SinkResult;

namespace {

std::string text_of(const schema::Value& value) {
  if (value.is_null()) return "NULL";
  switch (value.type()) {
    case Type::boolean:
      return value.as_bool() ? "true" : "false";
    case Type::bigint:
    case Type::timestamptz:
      return fmt::format("{}", value.as_bigint());
    case Type::double_precision:
      return fmt::format("{}", value.as_double());
    default:
      return std::string(value.as_bytes());
  }
}

}  // namespace

class MemoryLane final : public storage::SinkLane {
 public:
  explicit MemoryLane(MemoryDatabase& database) : db_(database) {}

  SinkResult<Position> open(const storage::DrainIdentity& identity, Position start) override {
    const std::lock_guard lock(db_.mutex_);
    open_ = in_transaction_ = false;
    crashes_ = db_.crashes_;
    if (auto error = scripted("open")) return *error;
    identity_ = identity;
    if (identity.lanes > 0) db_.forget_lanes_from(identity.lanes);
    const auto [at, made] =
        db_.starts_.try_emplace(identity.lane, MemoryDatabase::Start{identity.journal_id, start});
    if (at->second.journal_id != identity.journal_id)
      return SinkError{CommitOutcome::fenced, "another journal's checkpoint"};
    open_ = true;
    return db_.position_of(identity.lane);
  }

  SinkResult<void> ensure(const schema::Table& table) override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || in_transaction_) return misuse("ensure");
    if (auto error = scripted("ensure")) return *error;
    if (db_.misfit)
      if (auto reason = db_.misfit(table)) return SinkError{CommitOutcome::row_rejected, *reason};
    return {};
  }

  SinkResult<void> begin() override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || in_transaction_) return misuse("begin");
    if (auto error = scripted("begin")) return *error;
    in_transaction_ = true;
    aborted_ = false;
    rows_.clear();
    return {};
  }

  SinkResult<void> insert(const storage::RowSlice& slice, bool savepoint) override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || !in_transaction_ || aborted_) return misuse("insert");
    ++db_.inserts_;
    if (auto error = scripted("insert")) {
      aborted_ = true;
      return *error;
    }
    const std::size_t before = rows_.size();
    for (std::size_t i = slice.first; i < slice.first + slice.count; ++i) {
      MemoryDatabase::Row row{slice.batch->table().name, {}};
      for (const schema::Value& value : slice.batch->row(i)) row.values.push_back(text_of(value));
      std::optional<std::string> reason;
      if (db_.refuse) reason = db_.refuse(row);
      if (reason) {
        rows_.resize(before);
        aborted_ = !savepoint;
        return SinkError{CommitOutcome::row_rejected, *reason};
      }
      rows_.push_back(std::move(row));
    }
    return {};
  }

  SinkResult<void> commit(Position from, Position to) override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || !in_transaction_ || aborted_) return misuse("commit");
    if (auto error = scripted("commit")) {
      aborted_ = true;
      return *error;
    }
    in_transaction_ = false;
    // A second gateway with fewer lanes forgets those it does not have.
    if (!db_.starts_.contains(identity_.lane) || db_.position_of(identity_.lane) != from)
      return SinkError{CommitOutcome::fenced, "the checkpoint moved"};
    const CommitFate fate = db_.commit_fate ? db_.commit_fate() : CommitFate::answered;
    if (fate != CommitFate::lost_before)
      db_.commits_.push_back({identity_.lane, from, to, std::move(rows_)});
    rows_.clear();
    if (fate == CommitFate::answered) return {};
    open_ = false;
    return SinkError{CommitOutcome::in_doubt, "the answer to COMMIT was lost"};
  }

  void rollback() noexcept override {
    const std::lock_guard lock(db_.mutex_);
    in_transaction_ = false;
    rows_.clear();
  }

  SinkResult<Position> checkpoint() override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || in_transaction_) return misuse("checkpoint");
    if (auto error = scripted("checkpoint")) return *error;
    const auto start = db_.starts_.find(identity_.lane);
    if (start == db_.starts_.end())
      return SinkError{CommitOutcome::fenced, "the checkpoint is gone"};
    if (start->second.journal_id != identity_.journal_id)
      return SinkError{CommitOutcome::fenced, "another journal's checkpoint"};
    return db_.position_of(identity_.lane);
  }

  /// Whatever the statement: the births that were committed, the latest last.
  SinkResult<storage::QueryResult> select(const std::string&) override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_ || !in_transaction_ || aborted_) return misuse("select");
    if (auto error = scripted("select")) return *error;
    storage::QueryResult found{{"edge", "device", "position", "payload"}, {}};
    for (const MemoryDatabase::Commit& commit : db_.commits_) {
      for (const MemoryDatabase::Row& row : commit.rows) {
        if (row.table != "rowgate_sparkplug" || row.values[0] != identity_.gateway) continue;
        std::string hex = "\\x";
        for (const char c : row.values[6])
          hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
        found.rows.push_back({row.values[2], row.values[3], row.values[4], std::move(hex)});
      }
    }
    return found;
  }

  SinkResult<Position> flushed() override {
    const std::lock_guard lock(db_.mutex_);
    if (!open_) return misuse("flushed");
    if (auto error = scripted("flushed")) return *error;
    if (!db_.starts_.contains(identity_.lane))
      return SinkError{CommitOutcome::fenced, "the checkpoint is gone"};
    const std::size_t count = db_.commits_.size() - std::min(db_.commits_.size(), db_.flush_lag_);
    db_.flushed_commits_ = std::max(db_.flushed_commits_, count);
    Position position = db_.starts_.at(identity_.lane).position;
    for (std::size_t i = 0; i < db_.flushed_commits_; ++i)
      if (db_.commits_[i].lane == identity_.lane) position = db_.commits_[i].to;
    return position;
  }

 private:
  std::optional<SinkError> scripted(std::string_view operation) {
    if (crashes_ != db_.crashes_)
      return SinkError{CommitOutcome::retry, "the database closed the connection"};
    if (!db_.fail) return std::nullopt;
    return db_.fail(operation);
  }
  /// The drain broke the contract of sink.hpp.
  static SinkError misuse(std::string_view operation) {
    return {CommitOutcome::fatal, fmt::format("{} in the wrong state", operation)};
  }

  MemoryDatabase& db_;
  storage::DrainIdentity identity_;
  std::vector<MemoryDatabase::Row> rows_;
  std::size_t crashes_ = 0;  // of the database, when it was opened
  bool open_ = false, in_transaction_ = false, aborted_ = false;
};

std::unique_ptr<storage::SinkLane> MemoryDatabase::lane() {
  return std::make_unique<MemoryLane>(*this);
}

Position MemoryDatabase::position_of(storage::Lane lane) const {
  for (auto commit = commits_.rbegin(); commit != commits_.rend(); ++commit)
    if (commit->lane == lane) return commit->to;
  return starts_.at(lane).position;
}

void MemoryDatabase::forget_lanes_from(std::uint16_t lanes) {
  std::erase_if(starts_, [&](const auto& start) { return start.first.value >= lanes; });
  // Their rows stay.
  for (Commit& commit : commits_)
    if (commit.lane.value >= lanes) commit.lane = storage::Lane{UINT16_MAX};
}

std::size_t MemoryDatabase::forget(std::size_t n) {
  const std::lock_guard lock(mutex_);
  const std::size_t forgotten = std::min(n, commits_.size() - flushed_commits_);
  commits_.resize(commits_.size() - forgotten);
  return forgotten;
}

std::size_t MemoryDatabase::crash(std::size_t n) {
  const std::size_t forgotten = forget(n);
  const std::lock_guard lock(mutex_);
  ++crashes_;
  return forgotten;
}

void MemoryDatabase::set_flush_lag(std::size_t n) {
  const std::lock_guard lock(mutex_);
  flush_lag_ = n;
}

void MemoryDatabase::set_checkpoint(storage::Lane lane, std::string journal_id, Position position) {
  const std::lock_guard lock(mutex_);
  starts_[lane] = {std::move(journal_id), position};
  std::erase_if(commits_, [&](const Commit& commit) { return commit.lane == lane; });
  flushed_commits_ = std::min(flushed_commits_, commits_.size());
}

std::vector<MemoryDatabase::Row> MemoryDatabase::rows() const {
  const std::lock_guard lock(mutex_);
  std::vector<Row> all;
  for (const Commit& commit : commits_)
    all.insert(all.end(), commit.rows.begin(), commit.rows.end());
  return all;
}

std::vector<MemoryDatabase::Row> MemoryDatabase::rows(std::string_view table) const {
  std::vector<Row> some = rows();
  std::erase_if(some, [&](const Row& row) { return row.table != table; });
  return some;
}

std::size_t MemoryDatabase::commits() const {
  const std::lock_guard lock(mutex_);
  return commits_.size();
}

std::size_t MemoryDatabase::inserts() const {
  const std::lock_guard lock(mutex_);
  return inserts_;
}

std::optional<Position> MemoryDatabase::checkpoint(storage::Lane lane) const {
  const std::lock_guard lock(mutex_);
  if (!starts_.contains(lane)) return std::nullopt;
  return position_of(lane);
}

std::optional<Position> MemoryDatabase::flushed_checkpoint(storage::Lane lane) const {
  const std::lock_guard lock(mutex_);
  if (!starts_.contains(lane)) return std::nullopt;
  for (std::size_t i = flushed_commits_; i-- > 0;)
    if (commits_[i].lane == lane) return commits_[i].to;
  return starts_.at(lane).position;
}

}  // namespace rowgate::test
