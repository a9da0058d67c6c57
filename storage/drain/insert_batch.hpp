#pragma once
// The rows of an open batch on their way into the sink's transaction. One thread.
#include <cstdint>

#include "storage/drain/latest_tables.hpp"
#include "storage/drain/open_batch.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// All of them, in one piece a table. row_rejected: one is refused; the transaction must be rolled
/// back.
SinkResult<void> insert_all(SinkLane& sink, schema::BatchSet& tables);

/// All but those that the database refuses, which become dead letters of the batch and are taken
/// off `mapped_rows`. Never row_rejected.
SinkResult<void> insert_without_refused(SinkLane& sink, OpenBatch& batch, LatestTables& latest,
                                        std::uint64_t& mapped_rows);

}  // namespace rowgate::storage
