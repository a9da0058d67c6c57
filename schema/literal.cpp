#include "schema/literal.hpp"

#include <array>
#include <charconv>

#include "schema/convert.hpp"

namespace rowgate::schema {
namespace {

template <class Number>
std::string digits_of(Number v) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
  return {digits.data(), end};
}

Field::Kind kind_of(const Literal& literal) noexcept {
  if (std::holds_alternative<bool>(literal)) return Field::Kind::boolean;
  if (std::holds_alternative<std::string>(literal) || std::holds_alternative<Timestamp>(literal)) {
    return Field::Kind::text;
  }
  return Field::Kind::number;
}

}  // namespace

std::string content_of(const Literal& literal) {
  if (const auto* flag = std::get_if<bool>(&literal)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&literal)) return digits_of(*whole);
  if (const auto* real = std::get_if<double>(&literal)) return digits_of(*real);
  if (const auto* time = std::get_if<Timestamp>(&literal)) return to_iso8601(*time);
  return std::get<std::string>(literal);
}

std::string to_text(const Literal& literal) {
  std::string text = content_of(literal);
  if (!std::holds_alternative<std::string>(literal)) return text;
  text.insert(text.begin(), '"');
  text.push_back('"');
  return text;
}

Type natural_type(const Literal& literal) noexcept {
  constexpr std::array types{Type::boolean, Type::bigint, Type::double_precision, Type::timestamptz,
                             Type::text};
  return types[literal.index()];
}

std::string_view literal_value(const Literal& literal, Type type, Arena& arena, Value& out) {
  if (type == Type::jsonb) return "cannot be jsonb, which is made of a payload's fields";
  if (type == Type::timestamptz && !std::holds_alternative<Timestamp>(literal) &&
      !std::holds_alternative<std::string>(literal)) {
    return "is not a time";
  }
  Field field;
  field.kind = kind_of(literal);
  field.text = arena.copy(content_of(literal));
  return Conversion(type).apply(field, arena, out);
}

}  // namespace rowgate::schema
