#include "storage/drain/insert_batch.hpp"

#include <fmt/format.h>

#include "storage/drain/bisect.hpp"

namespace rowgate::storage {

SinkResult<void> insert_all(SinkLane& sink, schema::BatchSet& tables) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (tables[i].rows() == 0) continue;
    if (const auto r = sink.insert({&tables[i], 0, tables[i].rows()}, false); !r) return r;
  }
  return {};
}

SinkResult<void> insert_without_refused(SinkLane& sink, OpenBatch& batch, LatestTables& latest,
                                        std::uint64_t& mapped_rows) {
  schema::BatchSet& tables = batch.tables();
  const std::size_t mapped = tables.mapped();
  for (std::size_t i = 0; i < mapped; ++i) {
    if (tables.declared(i).latest_of) {
      if (const auto r = latest.insert(sink, tables, i); !r) return r;
      continue;
    }
    const auto refused = [&](std::size_t row, const std::string& reason) {
      batch.refuse(i, row, reason);
      latest.leave_out(i, row);
      --mapped_rows;
    };
    const auto r = insert_bisected(sink, {&tables[i], 0, tables[i].rows()}, refused);
    if (!r) return r;
  }
  for (std::size_t i = mapped; i < tables.size(); ++i) {
    if (tables[i].rows() == 0) continue;
    const auto r = sink.insert({&tables[i], 0, tables[i].rows()}, false);
    if (r) continue;
    if (r.error().outcome != CommitOutcome::row_rejected) return r;
    return SinkError{CommitOutcome::retry, fmt::format("{} refuses a row: {}",
                                                       tables[i].table().name, r.error().message)};
  }
  return {};
}

}  // namespace rowgate::storage
