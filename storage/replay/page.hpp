#pragma once
// One page of a replay: its messages, what today's mappings make of each, and the statements that
// settle them. The transaction around it is replay.cpp's. One thread.
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schema/latest_rows.hpp"
#include "schema/mapper.hpp"
#include "storage/replay/kept_sql.hpp"
#include "storage/replay/replay.hpp"

namespace rowgate::storage {

class ReplayPage {
 public:
  ReplayPage(SinkLane& lane, const KeptSql& sql, std::shared_ptr<const schema::Catalog> catalog,
             const ReplayOptions& options);

  /// Reads what is left of these messages, and maps it. `lock`: until the transaction ends.
  SinkResult<void> read(std::span<const std::uint64_t> ids, bool lock);
  /// Makes the tables fit, outside a transaction; maps again where that takes it.
  SinkResult<void> ensure_tables();
  /// The rows of the last read(), all at once. row_rejected: roll back, read() and insert_apart().
  SinkResult<void> insert_together();
  /// The same message by message: what the database refuses stays behind.
  SinkResult<void> insert_apart();
  /// Removes what is settled and gives the others their reasons.
  SinkResult<void> settle();
  /// Adds what became of the page.
  void count(ReplayReport& report) const;

 private:
  struct Refusal {
    std::string reason;
    std::string rows;  // empty: the whole message
  };
  /// A message on its way through one mapping.
  struct Passage {
    std::size_t message;
    std::uint32_t mapping;               // in the Catalog
    std::vector<schema::RowRange> only;  // empty: the whole message
    std::size_t rows = 0;
    std::optional<Refusal> refusal{};
  };

  void map_all();
  /// The mappings that the message goes through; none: `why_not` is set.
  std::vector<std::uint32_t> mappings_for(const KeptMessage& message, std::string& why_not) const;
  bool takes(std::uint32_t mapping, const std::string& topic) const;
  /// Appends its rows to the batches; `source` is recorded with them.
  void map(Passage& passage, std::uint32_t source);
  /// True: it changed what the messages become, map them again.
  SinkResult<bool> ensure_table(std::size_t table);
  /// The mapped tables' rows, then those of the tables of last rows.
  SinkResult<void> insert_tables(bool savepoint);
  /// Of tables of last rows. What they refuse is left out: their rows are stored elsewhere.
  void fill_latest(std::size_t table);
  SinkResult<void> ensure_latest(std::size_t table);
  SinkResult<void> insert_latest(std::size_t table);
  void warn(const schema::Table& table, const std::string& reason);
  SinkResult<void> insert_passage(Passage& passage);
  /// `only` of the message's rows, under a savepoint. Refused: none of them, or, with `search` (one
  /// range), halved until the refused rows are known, which go to `refused`. `reason`: the first.
  SinkResult<void> insert_rows(const Passage& passage, const std::vector<schema::RowRange>& only,
                               bool search, std::vector<schema::RowRange>& refused,
                               std::string& reason, std::size_t& stored);
  SinkResult<void> settle_dead_letters();
  SinkResult<void> settle_unmapped();
  SinkResult<void> remove(const std::vector<std::uint64_t>& ids);

  SinkLane& lane_;
  const KeptSql& sql_;
  const ReplayOptions& options_;
  std::shared_ptr<const schema::Catalog> catalog_;
  TopicFilter topics_;
  schema::Mapper mapper_;
  schema::BatchSet batches_;
  std::set<std::string> warnings_;
  schema::LatestRows latest_;
  std::map<std::size_t, schema::Table> ensured_;                           // by table
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::string> barred_;  // message id, mapping

  std::size_t asked_ = 0;
  std::vector<KeptMessage> messages_;
  std::vector<Passage> passages_;                             // in order of their messages
  std::vector<std::pair<std::size_t, std::string>> untaken_;  // message, why
};

}  // namespace rowgate::storage
