#pragma once
// Inserts a slice of which the database refuses some rows: halves it under savepoints until the
// refused rows stand alone. k refused rows of n cost O(k log n) statements.
#include <cstddef>
#include <functional>
#include <string>

#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// Called for each refused row, in order, with the database's reason.
using RefusedRow = std::function<void(std::size_t row, const std::string& reason)>;

/// Inside a transaction. Afterwards all rows but the refused ones are inserted. An error is never
/// row_rejected, and asks for a rollback.
SinkResult<void> insert_bisected(SinkLane& sink, const RowSlice& rows, const RefusedRow& refused);

}  // namespace rowgate::storage
