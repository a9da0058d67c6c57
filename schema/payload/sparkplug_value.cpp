#include "schema/payload/sparkplug_value.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <type_traits>

#include "schema/base/bytes.hpp"

namespace rowgate::schema {
namespace {

using Kind = SparkplugScalar::Kind;
namespace type = sparkplug_type;

constexpr std::array<std::string_view, type::count> names{"Unknown",      "Int8",
                                                          "Int16",        "Int32",
                                                          "Int64",        "UInt8",
                                                          "UInt16",       "UInt32",
                                                          "UInt64",       "Float",
                                                          "Double",       "Boolean",
                                                          "String",       "DateTime",
                                                          "Text",         "UUID",
                                                          "DataSet",      "Bytes",
                                                          "File",         "Template",
                                                          "PropertySet",  "PropertySetList",
                                                          "Int8Array",    "Int16Array",
                                                          "Int32Array",   "Int64Array",
                                                          "UInt8Array",   "UInt16Array",
                                                          "UInt32Array",  "UInt64Array",
                                                          "FloatArray",   "DoubleArray",
                                                          "BooleanArray", "StringArray",
                                                          "DateTimeArray"};

bool is_integer(const SparkplugScalar& value) noexcept {
  return value.kind == Kind::int_value || value.kind == Kind::long_value;
}

/// Two's complement in an unsigned field: of the field's width, or of the type's own.
template <class Int>
std::optional<std::int64_t> as_signed(const SparkplugScalar& value) noexcept {
  if (!is_integer(value)) return std::nullopt;
  const std::int64_t wide = value.kind == Kind::int_value && sizeof(Int) < sizeof(std::int64_t)
                                ? static_cast<std::int32_t>(value.integer)
                                : static_cast<std::int64_t>(value.integer);
  if (wide >= std::numeric_limits<Int>::min() && wide <= std::numeric_limits<Int>::max()) {
    return wide;
  }
  using Unsigned = std::make_unsigned_t<Int>;
  if (wide >= 0 && static_cast<std::uint64_t>(wide) <= std::numeric_limits<Unsigned>::max()) {
    return static_cast<Int>(static_cast<Unsigned>(wide));
  }
  return std::nullopt;
}

template <class Int>
bool append_signed(Document& document, const SparkplugScalar& value) {
  const auto number = as_signed<Int>(value);
  if (number) document.integer(*number);
  return number.has_value();
}

template <class Int>
bool append_unsigned(Document& document, const SparkplugScalar& value) {
  if (!is_integer(value) || value.integer > std::numeric_limits<Int>::max()) return false;
  document.unsigned_integer(value.integer);
  return true;
}

bool append_real(Document& document, const SparkplugScalar& value) {
  if (value.kind == Kind::real32) {
    document.real(value.real32);
  } else if (value.kind == Kind::real64) {
    document.real(value.real64);
  } else {
    return false;
  }
  return true;
}

bool append_boolean(Document& document, const SparkplugScalar& value) {
  if (value.kind != Kind::boolean) return false;
  document.boolean(value.boolean);
  return true;
}

bool append_string(Document& document, const SparkplugScalar& value) {
  if (value.kind != Kind::string) return false;
  document.copy_string(value.string);
  return true;
}

/// An integer does not tell whether it is signed.
bool append_as_it_is(Document& document, const SparkplugScalar& value) {
  return append_real(document, value) || append_boolean(document, value) ||
         append_string(document, value);
}

template <class Element>
bool append_packed(Document& document, std::string_view packed, std::size_t& budget) {
  const std::size_t count = packed.size() / sizeof(Element);
  if (packed.size() % sizeof(Element) != 0 || count > budget) return false;
  budget -= count;
  document.begin_array();
  for (std::size_t i = 0; i < count; ++i) {
    const Element element = load_le<Element>(packed.data() + i * sizeof(Element));
    if constexpr (std::is_floating_point_v<Element>) {
      document.real(element);
    } else if constexpr (std::is_signed_v<Element>) {
      document.integer(element);
    } else {
      document.unsigned_integer(element);
    }
  }
  document.end_array();
  return true;
}

/// Their number, then eight a byte, the first in its highest bit.
bool append_booleans(Document& document, std::string_view packed, std::size_t& budget) {
  if (packed.size() < sizeof(std::uint32_t)) return false;
  const std::size_t count = load_le<std::uint32_t>(packed.data());
  packed.remove_prefix(sizeof(std::uint32_t));
  if ((count + 7) / 8 != packed.size() || count > budget) return false;
  budget -= count;
  document.begin_array();
  for (std::size_t i = 0; i < count; ++i) {
    document.boolean((static_cast<unsigned char>(packed[i / 8]) >> (7 - i % 8) & 1U) != 0);
  }
  document.end_array();
  return true;
}

/// Each of them ends in a NUL.
bool append_strings(Document& document, std::string_view packed, std::size_t& budget) {
  if (!packed.empty() && packed.back() != '\0') return false;
  const auto count = static_cast<std::size_t>(std::ranges::count(packed, '\0'));
  if (count > budget) return false;
  budget -= count;
  document.begin_array();
  while (!packed.empty()) {
    const std::size_t end = packed.find('\0');
    document.copy_string(packed.substr(0, end));
    packed.remove_prefix(end + 1);
  }
  document.end_array();
  return true;
}

}  // namespace

std::string_view sparkplug_type_name(std::uint32_t datatype) noexcept {
  return datatype < names.size() ? names[datatype] : std::string_view{};
}

bool append_sparkplug_scalar(Document& document, std::uint32_t datatype,
                             const SparkplugScalar& value) {
  switch (datatype) {
    case type::int8:
      return append_signed<std::int8_t>(document, value);
    case type::int16:
      return append_signed<std::int16_t>(document, value);
    case type::int32:
      return append_signed<std::int32_t>(document, value);
    case type::int64:
      return append_signed<std::int64_t>(document, value);
    case type::uint8:
      return append_unsigned<std::uint8_t>(document, value);
    case type::uint16:
      return append_unsigned<std::uint16_t>(document, value);
    case type::uint32:
      return append_unsigned<std::uint32_t>(document, value);
    case type::uint64:
    case type::date_time:
      return append_unsigned<std::uint64_t>(document, value);
    case type::float32:
    case type::float64:
      return append_real(document, value);
    case type::boolean:
      return append_boolean(document, value);
    case type::string:
    case type::text:
    case type::uuid:
      return append_string(document, value);
    case type::unknown:
      return append_as_it_is(document, value);
    default:
      return false;
  }
}

bool append_sparkplug_array(Document& document, std::uint32_t datatype, std::string_view packed,
                            std::size_t& budget) {
  switch (datatype) {
    case type::int8_array:
      return append_packed<std::int8_t>(document, packed, budget);
    case type::int16_array:
      return append_packed<std::int16_t>(document, packed, budget);
    case type::int32_array:
      return append_packed<std::int32_t>(document, packed, budget);
    case type::int64_array:
      return append_packed<std::int64_t>(document, packed, budget);
    case type::uint8_array:
      return append_packed<std::uint8_t>(document, packed, budget);
    case type::uint16_array:
      return append_packed<std::uint16_t>(document, packed, budget);
    case type::uint32_array:
      return append_packed<std::uint32_t>(document, packed, budget);
    case type::uint64_array:
    case type::date_time_array:
      return append_packed<std::uint64_t>(document, packed, budget);
    case type::float_array:
      return append_packed<float>(document, packed, budget);
    case type::double_array:
      return append_packed<double>(document, packed, budget);
    case type::boolean_array:
      return append_booleans(document, packed, budget);
    case type::string_array:
      return append_strings(document, packed, budget);
    default:
      return false;
  }
}

}  // namespace rowgate::schema
