#include "schema/value.hpp"

#include <array>
#include <charconv>

namespace rowgate::schema {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c);
  }
  return out + "'";
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15U]);
  }
}

std::string uuid_text(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    append_hex(out, bytes.substr(i, 1));
  }
  return out;
}

std::string double_text(double v) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v).ptr;
  return {buffer.data(), end};
}

}  // namespace

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::boolean:
      return "boolean";
    case Type::bigint:
      return "bigint";
    case Type::double_precision:
      return "double";
    case Type::text:
      return "text";
    case Type::timestamptz:
      return "timestamptz";
    case Type::jsonb:
      return "jsonb";
    case Type::bytea:
      return "bytea";
    case Type::uuid:
      return "uuid";
    case Type::numeric:
      return "numeric";
  }
  return "unknown";
}

std::string to_text(const Value& value) {
  if (value.is_null()) return "NULL";
  switch (value.type()) {
    case Type::boolean:
      return value.as_bool() ? "true" : "false";
    case Type::bigint:
      return std::to_string(value.as_bigint());
    case Type::double_precision:
      return double_text(value.as_double());
    case Type::timestamptz:
      return to_iso8601(value.as_timestamp());
    case Type::numeric:
      return std::string(value.as_bytes());
    case Type::uuid:
      return uuid_text(value.as_bytes());
    case Type::text:
    case Type::jsonb:
      return quoted(value.as_bytes());
    case Type::bytea: {
      std::string out = "'\\x";
      append_hex(out, value.as_bytes());
      return out + "'";
    }
  }
  return {};
}

}  // namespace rowgate::schema
