#pragma once
// One field of a payload, or one piece of text, into one column's Value: scale, offset, null_if,
// time formats, ranges. docs/mapping.md has the table of what each type takes.
// Text (topic levels, scalar payloads, user properties) and JSON strings follow the same rule: they
// fit a number, boolean or time column exactly if the text is one.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schema/checks.hpp"
#include "schema/mapping.hpp"
#include "schema/payload/field_tree.hpp"
#include "schema/row_batch.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

/// A ColumnRule's conversion, compiled.
class Conversion {
 public:
  /// Only the type: for columns that `columns = "auto"` made.
  explicit Conversion(Type type) : type_(type) {}
  Conversion(Type type, Drift drift);
  explicit Conversion(const ColumnRule& rule);

  /// Stores the value in `out`; bytes that are not a view of the field go to the arena. Returns
  /// what is wrong with the field ("is not a number"; lives as long as this), empty if nothing is.
  /// An absent or null field, and one that is `null_if`, is NULL.
  std::string_view apply(const Field& field, Arena& arena, Value& out) const;

  Type type() const noexcept { return type_; }

 private:
  bool means_null(const Field& field, Arena& arena) const;
  /// What the plain conversion found wrong, in another form that fits; else `wrong`.
  std::string_view coerce(const Field& field, std::string_view wrong, Arena& arena,
                          Value& out) const;
  std::string_view coerced_and_checked(const Field& field, Arena& arena, Value& out) const;
  std::string_view number(std::string_view text, Value& out) const;
  std::string_view time(const Field& field, std::string_view text, Value& out) const;

  Type type_;
  bool coerces_ = false;
  bool scaled_ = false;
  double scale_ = 1.0;
  double divisor_ = 0.0;  // if not 0: divide by it instead of multiplying by scale_
  double offset_ = 0.0;
  std::optional<std::string> null_if_;
  std::optional<double> null_if_number_;
  std::optional<TimeFormat> format_;
  // The same without coercing and checking, for a Conversion that does; else null.
  std::shared_ptr<const Conversion> plain_;
  std::shared_ptr<const Checks> checks_;  // null: none
};

/// A number in a time format, exact to the microsecond. nullopt: out of range.
std::optional<Timestamp> timestamp_from_number(std::string_view number, TimeFormat format) noexcept;

/// All of a field that does not fit its column, as text that any database stores: a string's
/// content, anything else as JSON; bytes that are no text as hex digits, a string with U+0000 as
/// its JSON. Precondition: it is there, and not null.
std::string_view spilled_text(const Field& field, Arena& arena);

/// "21.5", "\"on\"", "an object": a field as a reason names it; at most 40 bytes of it.
std::string describe(const Field& field);

}  // namespace rowgate::schema
