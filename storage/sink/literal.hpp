#pragma once
// SQL text with values in it: for statements of the gateway's own (storage/replay) and for people
// who want to paste one. Rows on their way to the database are bound or copied, never written out.
// Pure; any thread.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "schema/row_batch.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// A string literal, whatever is in it but NUL.
std::string text_literal(Dialect dialect, std::string_view text);

/// The value as the sink stores it: SQLite has a timestamp as ISO 8601 text and a boolean as 0
/// or 1.
std::string literal(Dialect dialect, const schema::Value& value);

/// The bytes of hex digits in lower case, as both databases print them. nullopt: it is not that.
std::optional<std::string> unhex(std::string_view digits);

/// `INSERT INTO "room_climate" ("ts", ...) VALUES ('2026-...', ...) ON CONFLICT ...;`
std::string insert_text(Dialect dialect, const schema::RowBatch& rows, std::size_t row);

}  // namespace rowgate::storage
