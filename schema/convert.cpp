#include "schema/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "schema/base/utf8.hpp"
#include "schema/number.hpp"
#include "schema/payload/document.hpp"
#include "schema/payload_text.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

constexpr std::string_view not_a_number = "is not a number";

bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

bool is_textual(Kind kind) noexcept {
  return kind == Kind::string || kind == Kind::text || kind == Kind::bytes;
}

// A decoder's number needs no second look, unless it is NaN or an infinity.
bool is_number(const Field& field, std::string_view content) noexcept {
  if (field.kind != Kind::number) return schema::is_number(content);
  return !content.empty() && content.back() >= '0' && content.back() <= '9';
}

// The content of a string or text field: a view, or unescaped into the arena.
std::string_view content(const Field& field, Arena& arena) {
  if (field.kind != Kind::string || !field.escaped) return field.text;
  char* p = arena.allocate(field.text.size());
  return {p, unescape(field.text, p)};
}

std::string_view boolean(std::string_view text, Value& out) noexcept {
  for (const std::string_view yes : {"true", "1", "on", "yes"}) {
    if (equals_ignoring_case(text, yes)) return out = Value::of_bool(true), std::string_view{};
  }
  for (const std::string_view no : {"false", "0", "off", "no"}) {
    if (equals_ignoring_case(text, no)) return out = Value::of_bool(false), std::string_view{};
  }
  return "is not a boolean (true, false, 1, 0, on, off, yes, no)";
}

std::string_view text(const Field& field, Arena& arena, Value& out) {
  if (field.kind == Kind::string && field.nul) return "holds U+0000, which text cannot store";
  if (field.kind == Kind::bytes && !is_utf8(field.text)) {
    return "is not UTF-8, which text must be; use type = \"bytea\"";
  }
  if (field.kind == Kind::bytes && has_nul(field.text)) {
    return "holds a NUL byte, which text cannot store; use type = \"bytea\"";
  }
  out = Value::of_bytes(Type::text, content(field, arena));
  return {};
}

std::string_view jsonb(const Field& field, Arena& arena, Value& out) {
  if (field.nul) return "holds U+0000, which jsonb cannot store";
  if (field.kind == Kind::text || field.kind == Kind::bytes) return "is not JSON";
  if (field.kind == Kind::number && !is_json_number(field.text)) return "is not JSON";
  if (field.bare) {
    std::string quoted;
    append_json_string(quoted, field.text);
    out = Value::of_bytes(Type::jsonb, arena.copy(quoted));
    return {};
  }
  if (field.kind != Kind::string) {
    out = Value::of_bytes(Type::jsonb, field.text);
    return {};
  }
  // Between its quotes, which in the payload stand just around the text.
  out = Value::of_bytes(Type::jsonb, {field.text.data() - 1, field.text.size() + 2});
  return {};
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 8-4-4-4-12 hex digits or 32 of them (RFC 9562 section 4).
std::string_view uuid(std::string_view text, Arena& arena, Value& out) {
  constexpr std::string_view wrong = "is not a UUID";
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) return wrong;
  std::array<char, 16> bytes;
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dashed && (i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return wrong;
    const int high = hex_digit(text[at]);
    const int low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) return wrong;
    bytes[i] = static_cast<char>(static_cast<unsigned char>(high << 4 | low));
    at += 2;
  }
  out = Value::of_bytes(Type::uuid, arena.copy({bytes.data(), bytes.size()}));
  return {};
}

std::string_view numeric(std::string_view number, Arena& arena, Value& out) {
  if (number.find_first_of("eE+") == std::string_view::npos && is_json_number(number) &&
      number.front() != '-') {
    out = Value::of_bytes(Type::numeric, number);
    return {};
  }
  std::string decimal;  // rare: negative, with exponent, or not in JSON's form
  if (!to_decimal(number, decimal)) return "has more than 1000 digits";
  out = Value::of_bytes(Type::numeric, arena.copy(decimal));
  return {};
}

// The nearest whole number, of two equally near the even one. nullopt: beyond 64 bits.
std::optional<std::int64_t> rounded(std::string_view number) {
  const auto whole = to_scaled(number, 0);
  std::string decimal;
  if (!whole || !to_decimal(number, decimal)) return std::nullopt;
  const std::size_t point = decimal.find('.');
  if (point == std::string::npos) return whole->value;
  const std::string_view fraction = std::string_view(decimal).substr(point + 1);
  const bool half =
      fraction.front() == '5' && fraction.find_first_not_of('0', 1) == std::string_view::npos;
  const bool up = half ? whole->value % 2 != 0 : fraction.front() >= '5';
  if (!up) return whole->value;
  const bool negative = number.front() == '-';
  const auto last = negative ? std::numeric_limits<std::int64_t>::min()
                             : std::numeric_limits<std::int64_t>::max();
  if (whole->value == last) return std::nullopt;
  return whole->value + (negative ? -1 : 1);
}

// Scaled to microseconds since 1970: the power of ten of each unit.
int power_of(TimeFormat format) noexcept {
  switch (format) {
    case TimeFormat::unix_s:
      return 6;
    case TimeFormat::unix_ms:
      return 3;
    case TimeFormat::unix_us:
      return 0;
    case TimeFormat::unix_ns:
      return -3;
    case TimeFormat::iso8601:
      break;
  }
  return 0;
}

}  // namespace

std::optional<Timestamp> timestamp_from_number(std::string_view number,
                                               TimeFormat format) noexcept {
  const auto scaled = to_scaled(number, power_of(format));
  if (!scaled || !in_range(Timestamp{scaled->value})) return std::nullopt;
  return Timestamp{scaled->value};
}

Conversion::Conversion(const ColumnRule& rule)
    : type_(rule.type),
      coerces_(rule.drift == Drift::coerce),
      scaled_(rule.scale != 1.0 || rule.offset != 0.0),
      scale_(rule.scale),
      offset_(rule.offset),
      null_if_(rule.null_if),
      format_(rule.format) {
  // 3 * 0.1 is 0.30000000000000004, 3 / 10 is 0.3: where the scale is 1/n, divide.
  const double inverse = std::round(1.0 / scale_);
  if (scale_ != 1.0 && scale_ != 0.0 && std::abs(scale_) < 1.0 && 1.0 / inverse == scale_) {
    divisor_ = inverse;
  }
  if (null_if_ && is_number(*null_if_)) null_if_number_ = to_double(*null_if_);
  if (Checks::needed(rule)) checks_ = std::make_shared<const Checks>(rule);
  if (!coerces_ && !checks_) return;
  Conversion plain(*this);
  plain.coerces_ = false;
  plain.checks_.reset();
  plain.null_if_.reset();  // looked at before
  plain.null_if_number_.reset();
  plain_ = std::make_shared<const Conversion>(std::move(plain));
}

Conversion::Conversion(Type type, Drift drift)
    : type_(type),
      coerces_(drift == Drift::coerce),
      plain_(coerces_ ? std::make_shared<const Conversion>(type) : nullptr) {}

bool Conversion::means_null(const Field& field, Arena& arena) const {
  if (field.kind == Kind::absent || field.kind == Kind::null) return true;
  if (!null_if_ || field.kind == Kind::object || field.kind == Kind::array) return false;
  const std::string_view have = content(field, arena);
  if (have == *null_if_) return true;
  return null_if_number_ && is_number(have) && to_double(have) == null_if_number_;
}

std::string_view Conversion::number(std::string_view text, Value& out) const {
  if (type_ == Type::double_precision || scaled_) {
    auto v = to_double(text);
    if (!v) return "is out of range";
    if (scaled_) *v = (divisor_ != 0.0 ? *v / divisor_ : *v * scale_) + offset_;
    if (!std::isfinite(*v)) return "is out of range after scale and offset";
    if (type_ == Type::double_precision) {
      out = Value::of_double(*v);
      return {};
    }
    const double whole = std::nearbyint(*v);
    if (whole < -0x1p63 || whole >= 0x1p63) return "is out of range for bigint";
    out = Value::of_bigint(static_cast<std::int64_t>(whole));
    return {};
  }
  const auto v = to_scaled(text, 0);
  if (!v) return "is out of range for bigint";
  if (!v->exact) return "is not a whole number, which bigint must be";
  out = Value::of_bigint(v->value);
  return {};
}

std::string_view Conversion::time(const Field& field, std::string_view text, Value& out) const {
  const bool is_number_field = field.kind == Kind::number;
  const bool number_wanted = format_ ? *format_ != TimeFormat::iso8601 : is_number_field;
  if (!number_wanted) {
    const auto t = is_number_field ? std::nullopt : parse_iso8601(text);
    if (!t) return "is not an ISO 8601 time between the years 1 and 9999";
    out = Value::of_timestamp(*t);
    return {};
  }
  if (!is_number(field, text)) return "is not a number, which its time format asks for";
  const auto t = timestamp_from_number(text, format_.value_or(TimeFormat::unix_ms));
  if (!t) return "is not a time between the years 1 and 9999";
  out = Value::of_timestamp(*t);
  return {};
}

std::string_view Conversion::apply(const Field& field, Arena& arena, Value& out) const {
  out = Value();
  if (means_null(field, arena)) return {};
  if (plain_) return coerced_and_checked(field, arena, out);
  if (type_ == Type::text) return text(field, arena, out);
  if (type_ == Type::jsonb) return jsonb(field, arena, out);
  const bool textual = is_textual(field.kind);
  if (type_ == Type::bytea) {
    if (!textual) return "is not a string, which bytea is made from";
    out = Value::of_bytes(Type::bytea, content(field, arena));
    return {};
  }
  if (field.kind == Kind::object || field.kind == Kind::array) {
    return "is not a single value; use type = \"jsonb\"";
  }
  if (type_ == Type::boolean) return boolean(content(field, arena), out);
  if (field.kind == Kind::boolean) return "does not fit the column's type";
  const std::string_view have = textual ? content(field, arena) : field.text;
  switch (type_) {
    case Type::bigint:
    case Type::double_precision:
      return is_number(field, have) ? number(have, out) : not_a_number;
    case Type::numeric:
      return is_number(field, have) ? numeric(have, arena, out) : not_a_number;
    case Type::timestamptz:
      return time(field, have, out);
    case Type::uuid:
      return uuid(have, arena, out);
    default:
      return "does not fit the column's type";
  }
}

std::string_view Conversion::coerced_and_checked(const Field& field, Arena& arena,
                                                 Value& out) const {
  if (checks_ && checks_->has_map()) {
    const bool single = field.kind != Kind::object && field.kind != Kind::array;
    const Value* to = single ? checks_->mapped(content(field, arena)) : checks_->otherwise();
    if (to == nullptr) return checks_->not_in_map();
    out = *to;
    return {};
  }
  std::string_view wrong = plain_->apply(field, arena, out);
  if (!wrong.empty() && coerces_) wrong = coerce(field, wrong, arena, out);
  if (wrong.empty() && checks_) wrong = checks_->wrong(out);
  if (!wrong.empty()) out = Value();
  return wrong;
}

std::string_view Conversion::coerce(const Field& field, std::string_view wrong, Arena& arena,
                                    Value& out) const {
  const bool flag = field.kind == Kind::boolean;
  const bool textual = is_textual(field.kind);
  const std::string_view have = textual ? content(field, arena) : field.text;
  Field other = field;
  other.escaped = false;
  switch (type_) {
    case Type::boolean:
      if (!is_number(have)) return wrong;
      out = Value::of_bool(to_double(have) != 0.0);  // too large for a double is not 0 either
      return {};
    case Type::bigint:
    case Type::double_precision:
    case Type::numeric:
      other.kind = Kind::number;
      if (flag) {
        other.text = field.text == "true" ? "1" : "0";
      } else if (type_ == Type::bigint && is_number(have)) {
        const auto whole = rounded(have);
        if (!whole) return wrong;
        out = Value::of_bigint(*whole);
        return {};
      } else {
        return wrong;
      }
      return plain_->apply(other, arena, out);
    case Type::timestamptz: {
      auto t = parse_iso8601(have);
      if (!t && is_number(have)) {
        const bool iso = format_.value_or(TimeFormat::iso8601) == TimeFormat::iso8601;
        t = timestamp_from_number(have, iso ? TimeFormat::unix_ms : *format_);
      }
      if (!t) return wrong;
      out = Value::of_timestamp(*t);
      return {};
    }
    case Type::uuid:
      if (!textual) return wrong;
      other.kind = Kind::text;
      other.text = have;
      if (have.starts_with("urn:uuid:")) other.text.remove_prefix(9);
      if (have.starts_with('{') && have.ends_with('}'))
        other.text = have.substr(1, have.size() - 2);
      return plain_->apply(other, arena, out);
    case Type::bytea:
      if (textual) return wrong;
      out = Value::of_bytes(Type::bytea, field.text);
      return {};
    case Type::jsonb: {
      if (field.nul || !is_utf8(have) || has_nul(have)) return wrong;
      std::string quoted;
      append_json_string(quoted, have);
      out = Value::of_bytes(Type::jsonb, arena.copy(quoted));
      return {};
    }
    case Type::text:
      break;
  }
  return wrong;
}

std::string_view spilled_text(const Field& field, Arena& arena) {
  switch (field.kind) {
    case Kind::text:
    case Kind::bytes:
      return payload_text(field.text, arena).text;
    case Kind::string: {
      if (!field.nul) return content(field, arena);
      // Between its quotes, which in the payload stand just around the text.
      if (!field.bare) return {field.text.data() - 1, field.text.size() + 2};
      std::string quoted;
      append_json_string(quoted, field.text);
      return arena.copy(quoted);
    }
    default:
      return field.text;
  }
}

std::string describe(const Field& field) {
  constexpr std::size_t most = 40;
  if (field.kind == Kind::object) return "an object";
  if (field.kind == Kind::array) return "an array";
  if (field.kind == Kind::absent || field.kind == Kind::null) return "null";
  std::string text(field.text.substr(0, most));
  if (field.kind == Kind::bytes && !is_utf8(text)) {
    return std::to_string(field.text.size()) + " bytes";
  }
  while (!is_utf8(text)) text.pop_back();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = '.';
  }
  if (text.size() < field.text.size()) text += "...";
  return is_textual(field.kind) ? "\"" + text + "\"" : text;
}

}  // namespace rowgate::schema
