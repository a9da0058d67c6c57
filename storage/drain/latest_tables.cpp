#include "storage/drain/latest_tables.hpp"

#include <fmt/format.h>

#include "storage/drain/bisect.hpp"

namespace rowgate::storage {

void LatestTables::fill(schema::BatchSet& tables, std::size_t index) {
  const std::size_t of = *tables.declared(index).latest_of;
  std::function<bool(std::size_t)> left_out;
  if (!refused_.empty()) left_out = [&](std::size_t row) { return refused_.contains({of, row}); };
  rows_.fill(tables[index], tables[of], left_out);
}

SinkResult<void> LatestTables::ensure(SinkLane& sink, schema::BatchSet& tables, std::size_t index) {
  fill(tables, index);
  schema::RowBatch& rows = tables[index];
  if (rows.rows() == 0) return {};
  const auto fits = sink.ensure(rows.table());
  if (fits || fits.error().outcome != CommitOutcome::row_rejected) return fits;
  rows.clear();
  warn(rows.table(), fits.error().message);
  return {};
}

SinkResult<void> LatestTables::insert(SinkLane& sink, schema::BatchSet& tables, std::size_t index) {
  const schema::RowBatch& rows = tables[index];
  if (rows.rows() == 0) return {};  // it does not fit, or there is nothing to keep
  fill(tables, index);
  return insert_bisected(
      sink, {&rows, 0, rows.rows()},
      [&](std::size_t, const std::string& reason) { warn(rows.table(), reason); });
}

void LatestTables::warn(const schema::Table& table, const std::string& reason) {
  if (warned_.size() > 1'000) warned_.clear();
  if (!warned_.insert(fmt::format("{}: {}", table.name, reason)).second) return;
  warn_(
      fmt::format("table {} of last rows is not kept for some rows, which are stored all the "
                  "same: {}",
                  table.name, reason));
}

}  // namespace rowgate::storage
