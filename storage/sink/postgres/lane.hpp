#pragma once
// One PostgreSQL connection that takes a lane's rows.
//
// The transaction locks the lane's checkpoint row first. So a connection that was lost with a
// COMMIT under way still holds that lock while its fate is open, and open(), which locks the row
// too, reads the checkpoint only after it is decided.
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/sink/notes.hpp"
#include "storage/sink/postgres/catalog.hpp"
#include "storage/sink/postgres/copy_binary.hpp"
#include "storage/sink/postgres/row_encoder.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage::postgres {

class PostgresLane final : public SinkLane {
 public:
  explicit PostgresLane(std::string url, IngestConnection::Limits limits = {},
                        std::shared_ptr<Notes> notes = std::make_shared<Notes>())
      : url_(std::move(url)), limits_(limits), notes_(std::move(notes)) {
    limits_.give_up_at = &give_up_at_;
  }

  SinkResult<Position> open(const DrainIdentity& identity, Position start) override;
  SinkResult<void> ensure(const schema::Table& table) override;
  SinkResult<void> begin() override;
  SinkResult<void> insert(const RowSlice& rows, bool savepoint) override;
  SinkResult<void> commit(Position from, Position to) override;
  void rollback() noexcept override;
  SinkResult<Position> checkpoint() override;
  SinkResult<Position> flushed() override;
  SinkResult<Maintained> maintain(const schema::Table& table, Timestamp now) override;
  std::vector<std::string> take_notes() override { return std::exchange(unsaid_, {}); }
  SinkResult<void> connect() override;
  SinkResult<QueryResult> select(const std::string& sql) override;
  SinkResult<std::uint64_t> execute(const std::string& sql) override;
  SinkResult<void> commit_without_checkpoint() override;
  void give_up_at(IngestConnection::Ticks when) noexcept override { give_up_at_ = when; }

 private:
  /// A table as ensured, and how its rows get there.
  struct Target {
    schema::Table table;
    std::vector<Wire> wires;
    std::string copy;
    std::string merge;    // empty: no key, COPY goes straight into the table
    std::string stage;    // the temporary table, with a key
    bool staged = false;  // the stage holds rows of this transaction
  };

  SinkResult<void> start_session(const std::string& name);
  SinkError open_error(SinkError error);
  SinkResult<Position> read_checkpoint(Position start);
  SinkResult<Position> position_in(std::string_view row) const;
  SinkResult<Ensured> ensure_in_catalogue(const schema::Table& table, Timestamp now);
  SinkResult<Maintained> drop_expired(Care& care, Timestamp before, bool& dropped);
  SinkResult<Maintained> delete_expired(const schema::Table& table, const Care& care,
                                        Timestamp before);
  SinkResult<Target> make_target(const schema::Table& table, std::string stage);
  SinkResult<void> insert_into(Target& target, const RowSlice& rows, std::string before,
                               bool savepoint);
  SinkResult<void> copy_rows(const Target& target, const RowSlice& rows);
  /// `gateway = ... AND lane = ... AND journal_id = ...`
  std::string checkpoint_row() const;
  std::string take_begin();
  void close() noexcept;

  std::string url_;
  IngestConnection::Limits limits_;
  std::shared_ptr<Notes> notes_;
  std::vector<std::string> unsaid_;
  std::atomic<IngestConnection::Ticks> give_up_at_{IngestConnection::Ticks::max()};
  DrainIdentity identity_;
  bool has_checkpoint_ = false;  // open(): its row is locked first; connect(): there is none
  bool let_in_ = false;          // once: later refusals are waited out
  std::optional<IngestConnection> ingest_;
  std::optional<Catalogue> catalogue_;               // while tables are being ensured
  std::unordered_map<std::string, Target> targets_;  // by table name
  std::unordered_map<std::string, Care> upkeep_;     // by table name, while there is more to do
  RowEncoder encoder_;                               // reused
  unsigned next_stage_ = 0;
  bool begin_pending_ = false;  // BEGIN goes out with the first statement
  bool in_transaction_ = false;
  bool waits_for_flush_ = true;  // synchronous_commit: a COMMIT that returned is flushed
  Position committed_, flushed_;
  std::deque<std::pair<std::uint64_t, Position>> unflushed_;  // WAL position after the commit
};

}  // namespace rowgate::storage::postgres
