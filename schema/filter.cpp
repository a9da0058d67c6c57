#include "schema/filter.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

bool reads_as_number(const Field& field) noexcept {
  return (field.kind == Kind::number || field.kind == Kind::text) && is_number(field.text);
}

bool is_text(const Field& field, std::string_view text) {
  if (field.kind == Kind::text || field.kind == Kind::bytes) return field.text == text;
  if (field.kind != Kind::string) return false;
  if (!field.escaped) return field.text == text;
  std::string content(field.text.size(), '\0');
  content.resize(unescape(field.text, content.data()));
  return content == text;
}

bool is(const Field& field, const Literal& literal) {
  if (const auto* flag = std::get_if<bool>(&literal)) {
    return (field.kind == Kind::boolean || field.kind == Kind::text) &&
           field.text == (*flag ? "true" : "false");
  }
  if (const auto* whole = std::get_if<std::int64_t>(&literal)) {
    if (!reads_as_number(field)) return false;
    const auto have = to_scaled(field.text, 0);
    return have && have->exact && have->value == *whole;
  }
  if (const auto* real = std::get_if<double>(&literal)) {
    return reads_as_number(field) && to_double(field.text) == *real;
  }
  return is_text(field, content_of(literal));
}

bool is_one_of(const Field& field, const std::vector<Literal>& values) {
  return std::any_of(values.begin(), values.end(),
                     [&](const Literal& value) { return is(field, value); });
}

bool in_bounds(const Condition& condition, const Field& field) {
  if (!reads_as_number(field)) return false;
  const std::optional<double> have = to_double(field.text);
  if (!have) return false;
  const auto& least = condition.least;
  const auto& most = condition.most;
  if (least && (least->inclusive ? *have < least->value : *have <= least->value)) return false;
  return !most || (most->inclusive ? *have <= most->value : *have < most->value);
}

}  // namespace

bool holds(const Condition& condition, const Field& field) {
  const bool there = field.kind != Kind::absent && field.kind != Kind::null;
  switch (condition.test) {
    case Condition::Test::is:
    case Condition::Test::in:
      return there && is_one_of(field, condition.values);
    case Condition::Test::is_not:
    case Condition::Test::not_in:
      return !there || !is_one_of(field, condition.values);
    case Condition::Test::exists:
      return there;
    case Condition::Test::absent:
      return !there;
    case Condition::Test::range:
      return there && in_bounds(condition, field);
  }
  return false;
}

}  // namespace rowgate::schema
