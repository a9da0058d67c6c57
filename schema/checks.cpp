#include "schema/checks.hpp"

#include <algorithm>

#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

constexpr std::size_t most_shown = 10;

// " is not in map (on, off)" of however many words there are.
class WordList {
 public:
  explicit WordList(std::string_view begin) : text_(begin) {}
  void add(std::string_view word) {
    if (++words_ > most_shown) return;
    if (words_ > 1) text_ += ", ";
    text_ += word;
  }
  std::string take(std::string_view end) {
    if (words_ > most_shown) text_ += ", ...";
    text_ += end;
    return std::move(text_);
  }

 private:
  std::string text_;
  std::size_t words_ = 0;
};

std::string range_text(const ColumnRule& rule) {
  std::string text;
  if (rule.min && rule.max) {
    text = "is outside " + content_of(*rule.min);
    text.append(" to ").append(content_of(*rule.max));
  } else if (rule.min) {
    text = "is below the minimum " + content_of(*rule.min);
  } else {
    text = "is above the maximum " + content_of(*rule.max);
  }
  if (rule.scale != 1.0 || rule.offset != 0.0) text += " (after scale and offset)";
  return text;
}

double as_number(const Value& value) noexcept {
  return to_double(value.as_bytes()).value_or(0.0);
}

}  // namespace

bool is_less(const Value& a, const Value& b) noexcept {
  switch (a.type()) {
    case Type::double_precision:
      return a.as_double() < b.as_double();
    case Type::numeric:
      return as_number(a) < as_number(b);
    default:
      return a.as_bigint() < b.as_bigint();
  }
}

bool is_equal(const Value& a, const Value& b) noexcept {
  switch (a.type()) {
    case Type::boolean:
      return a.as_bool() == b.as_bool();
    case Type::bigint:
    case Type::timestamptz:
      return a.as_bigint() == b.as_bigint();
    case Type::double_precision:
      return a.as_double() == b.as_double();
    case Type::numeric:
      return a.as_bytes() == b.as_bytes() || as_number(a) == as_number(b);
    default:
      return a.as_bytes() == b.as_bytes();
  }
}

bool Checks::needed(const ColumnRule& rule) noexcept {
  return rule.min || rule.max || !rule.values.empty() || !rule.map.empty();
}

Checks::Checks(const ColumnRule& rule) : has_map_(!rule.map.empty()) {
  const auto value = [&](const Literal& literal) {
    Value out;
    literal_value(literal, rule.type, arena_, out);
    return out;
  };
  WordList keys("is not in map (");
  for (const auto& [key, literal] : rule.map) {
    const Value to = value(literal);
    if (is_number(key)) {
      if (const auto number = to_double(key)) numbers_.emplace_back(*number, to);
    }
    map_.emplace(key, to);
    keys.add(key);
  }
  not_in_map_ = keys.take(")");
  if (rule.map_otherwise) otherwise_ = value(*rule.map_otherwise);
  WordList words("is not one of ");
  for (const Literal& literal : rule.values) {
    values_.push_back(value(literal));
    words.add(content_of(literal));
  }
  not_in_values_ = words.take("");
  if (rule.min) min_ = value(*rule.min);
  if (rule.max) max_ = value(*rule.max);
  if (min_ || max_) out_of_range_ = range_text(rule);
}

const Value* Checks::mapped(std::string_view content) const {
  const auto found = map_.find(content);
  if (found != map_.end()) return &found->second;
  if (!numbers_.empty() && is_number(content)) {
    const auto number = to_double(content);
    for (const auto& [key, to] : numbers_) {
      if (number == key) return &to;
    }
  }
  return otherwise();
}

std::string_view Checks::wrong(const Value& value) const {
  if (min_ && is_less(value, *min_)) return out_of_range_;
  if (max_ && is_less(*max_, value)) return out_of_range_;
  if (!values_.empty() && std::none_of(values_.begin(), values_.end(),
                                       [&](const Value& one) { return is_equal(one, value); })) {
    return not_in_values_;
  }
  return {};
}

}  // namespace rowgate::schema
