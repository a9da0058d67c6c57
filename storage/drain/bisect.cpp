#include "storage/drain/bisect.hpp"

namespace rowgate::storage {

SinkResult<void> insert_bisected(SinkLane& sink, const RowSlice& rows, const RefusedRow& refused) {
  if (rows.count == 0) return {};
  const auto inserted = sink.insert(rows, true);
  if (inserted || inserted.error().outcome != CommitOutcome::row_rejected) return inserted;
  if (rows.count == 1) {
    refused(rows.first, inserted.error().message);
    return {};
  }
  const std::size_t half = rows.count / 2;
  const auto left = insert_bisected(sink, {rows.batch, rows.first, half}, refused);
  if (!left) return left;
  return insert_bisected(sink, {rows.batch, rows.first + half, rows.count - half}, refused);
}

}  // namespace rowgate::storage
