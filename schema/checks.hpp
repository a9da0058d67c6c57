#pragma once
// What a column asks of a value beside its type: `map`, `values`, `min` and `max`, compiled.
// Immutable once made; any thread.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/row_batch.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

/// Of two numbers, or two times, of one type. Precondition: neither is NULL.
bool is_less(const Value& a, const Value& b) noexcept;
bool is_equal(const Value& a, const Value& b) noexcept;

class Checks {
 public:
  /// The rule has something to check.
  static bool needed(const ColumnRule& rule) noexcept;
  /// Precondition: its literals fit its type (the parser saw to it).
  explicit Checks(const ColumnRule& rule);
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  bool has_map() const noexcept { return has_map_; }
  /// Of a field's content; nullptr: it is not in the map. Lives as long as the Checks.
  const Value* mapped(std::string_view content) const;
  /// The value of all that is not in the map; nullptr: there is none.
  const Value* otherwise() const noexcept { return otherwise_ ? &*otherwise_ : nullptr; }
  std::string_view not_in_map() const noexcept { return not_in_map_; }

  /// What is wrong with a column's value ("is outside 0 to 50"), empty if nothing is; lives as long
  /// as the Checks. Precondition: it is not NULL.
  std::string_view wrong(const Value& value) const;

 private:
  bool has_map_ = false;
  std::map<std::string, Value, std::less<>> map_;
  std::vector<std::pair<double, Value>> numbers_;  // the keys that are numbers: 1 is 1.0
  std::optional<Value> otherwise_;
  std::string not_in_map_;
  std::vector<Value> values_;
  std::string not_in_values_;
  std::optional<Value> min_;
  std::optional<Value> max_;
  std::string out_of_range_;
  Arena arena_;  // the literals' bytes
};

}  // namespace rowgate::schema
