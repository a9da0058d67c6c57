#pragma once
// Whether a condition of a mapping's `filter` holds of a field. Pure; any thread.
#include "schema/mapping.hpp"
#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {

/// Absent and null: only `is_not`, `not_in` and `exists = false` hold. A JSON string is no number
/// and no boolean; text that is not JSON (a topic level, a scalar, a user property) is what it
/// reads as.
bool holds(const Condition& condition, const Field& field);

}  // namespace rowgate::schema
