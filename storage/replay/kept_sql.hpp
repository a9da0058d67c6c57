#pragma once
// The SQL behind kept_message.hpp and replay.hpp, in the sink's dialect, and its answers. Pure; any
// thread.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/row_range.hpp"
#include "schema/topic_index.hpp"
#include "storage/replay/kept_message.hpp"

namespace rowgate::storage {

/// An MQTT topic filter. What SQL can say of it takes more topics than the filter does.
class TopicFilter {
 public:
  /// Empty: every topic. Precondition: wrong_topic_filter() finds nothing.
  explicit TopicFilter(std::string_view filter);
  bool takes(std::string_view topic) const;
  bool takes_all() const noexcept { return filter_.empty(); }
  std::string condition(Dialect dialect) const;

 private:
  std::string filter_;
  schema::TopicIndex index_;
};

class KeptSql {
 public:
  KeptSql(Dialect dialect, Kept kept) : dialect_(dialect), kept_(kept) {}

  Dialect dialect() const noexcept { return dialect_; }
  /// ` WHERE ...`, or nothing; the ids are not in it.
  std::string where(const KeptFilter& filter) const;
  /// The table as rows of it are named by their ids: `rowgate_dead_letter`, `ONLY ...`.
  std::string table() const;
  /// `rowid`, `ctid`.
  std::string_view id_column() const noexcept;
  std::string id_literal(std::uint64_t id) const;
  /// `rowid IN (1, 2)`. Precondition: one at least.
  std::string is_one_of(std::span<const std::uint64_t> ids) const;

  /// The newest first, cut payloads.
  std::string list(const KeptFilter& filter, std::size_t limit) const;
  /// Whole messages, in order of their ids; `lock`: until the transaction ends.
  std::string read(std::span<const std::uint64_t> ids, const KeptFilter& filter, bool lock) const;
  /// Id and topic of what is left of them, locked until the transaction ends.
  std::string lock(std::span<const std::uint64_t> ids, const KeptFilter& filter) const;
  std::string remove(std::span<const std::uint64_t> ids) const;
  /// The dead letter stays, for this reason and these rows.
  std::string give_reason(std::uint64_t id, std::string_view reason, std::string_view rows) const;

  /// nullopt: it is none.
  std::optional<std::uint64_t> parse_id(std::string_view text) const;
  /// Every message of the answer to list() or read(). row_rejected: the table is not as we made it.
  SinkResult<std::vector<KeptMessage>> parse(const QueryResult& answer) const;

 private:
  /// As all of them name id and time.
  std::string id_and_time() const;
  /// ` FROM ... t WHERE ...`, with the ids, and the lock where there are row locks.
  std::string from(std::span<const std::uint64_t> ids, const KeptFilter& filter, bool lock) const;

  Dialect dialect_;
  Kept kept_;
};

}  // namespace rowgate::storage
