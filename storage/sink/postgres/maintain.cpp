// What a table needs as time goes by: the maintenance side of lane.hpp. The catalogue's connection
// makes partitions, the ingest connection, between its transactions, removes what is too old.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/sink/postgres/ddl.hpp"
#include "storage/sink/postgres/lane.hpp"

namespace rowgate::storage::postgres {
namespace {

/// Rows that one step deletes at most: some tens of milliseconds.
constexpr std::size_t rows_a_step = 5'000;

}  // namespace

SinkResult<Maintained> PostgresLane::maintain(const schema::Table& table, Timestamp now) {
  if (!ingest_) return SinkError{CommitOutcome::retry, "the connection is lost"};
  auto at = upkeep_.find(table.name);
  if (at == upkeep_.end()) {
    auto ensured = ensure_in_catalogue(table, now);
    if (!ensured) return ensured.error();
    at = upkeep_.emplace(table.name, std::move(ensured->care)).first;
  }
  Care& care = at->second;
  const auto retention = table.storage.retention;
  if (!retention || care.hypertable) {
    upkeep_.erase(at);
    return Maintained{};
  }
  const Timestamp before{
      std::max(now.micros - std::chrono::microseconds(*retention).count(), min_timestamp.micros)};
  bool dropped = false;
  auto done = drop_expired(care, before, dropped);
  if (done && !dropped) done = delete_expired(table, care, before);
  if (!done || !done->more) upkeep_.erase(table.name);
  return done;
}

SinkResult<Maintained> PostgresLane::drop_expired(Care& care, Timestamp before, bool& dropped) {
  const auto expired = std::ranges::find_if(
      care.partitions, [&](const Partition& p) { return p.holds && p.holds->to <= before; });
  if (expired == care.partitions.end()) return Maintained{};
  dropped = true;
  if (const auto r = ingest_->run(drop_partition(expired->name)); !r)
    return SinkError{CommitOutcome::retry,
                     fmt::format("partition {}, past the retention, is not dropped: {}",
                                 expired->name, r.error().message)};
  care.partitions.erase(expired);
  return Maintained{.rows = 0, .partitions = 1, .more = true};
}

SinkResult<Maintained> PostgresLane::delete_expired(const schema::Table& table, const Care& care,
                                                    Timestamp before) {
  std::string from = schema::quote_table(table.name);
  if (!care.partitions.empty()) {
    // Whole partitions are dropped; in between, only the default one holds rows that old.
    const auto rest =
        std::ranges::find_if(care.partitions, [](const Partition& p) { return !p.holds; });
    if (rest == care.partitions.end()) return Maintained{};
    from = rest->name;
  }
  const auto count = ingest_->run(delete_older(table, from, before, rows_a_step));
  if (!count)
    return SinkError{CommitOutcome::retry,
                     fmt::format("rows of table {} past the retention are not deleted: {}",
                                 table.name, count.error().message)};
  Maintained done;
  std::from_chars(count->data(), count->data() + count->size(), done.rows);
  done.more = done.rows == rows_a_step;
  return done;
}

}  // namespace rowgate::storage::postgres
