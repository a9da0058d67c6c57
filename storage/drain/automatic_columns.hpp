#pragma once
// What `columns = "auto"` made of one lane's messages meets the table as it is. Another lane, or an
// earlier run, may have seen other values first and given a column another type: then the lane
// takes over that type and maps its messages again. Or the table takes no such column at all: then
// the rows that need it are refused, and no others.
#include "storage/drain/bisect.hpp"

namespace rowgate::storage {

/// sink.ensure() for a table whose columns beyond those of `declared` are automatic. True: columns
/// of `rows` have other types now, and its rows are to be made again. `refused` is called before a
/// row goes; the row numbers it gets hold during the call only. row_rejected: the declared columns
/// do not fit.
SinkResult<bool> ensure_automatic(SinkLane& sink, const schema::Table& declared,
                                  schema::RowBatch& rows, const RefusedRow& refused);

}  // namespace rowgate::storage
