#pragma once
// A scalar as it stands in the mapping file: a constant, a bound, a word of an enumeration.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "schema/base/time.hpp"
#include "schema/row_batch.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

using Literal = std::variant<bool, std::int64_t, double, Timestamp, std::string>;

/// As the file would show it: 21.5, true, "on", 2026-11-21T07:09:39.123456Z.
std::string to_text(const Literal& literal);

/// What its content is, without quotes: how a field of that value would read.
std::string content_of(const Literal& literal);

/// The type a column has by itself that takes it.
Type natural_type(const Literal& literal) noexcept;

/// As a column of that type stores it; bytes go to the arena. Returns what is wrong with it (static
/// text), empty if nothing is. jsonb takes none.
std::string_view literal_value(const Literal& literal, Type type, Arena& arena, Value& out);

}  // namespace rowgate::schema
