#pragma once
// The values of Sparkplug B metrics, properties, data sets and templates -> events of a Document.
// One thread; reused.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/payload/document.hpp"

namespace rowgate::schema {

/// Chapter 6 of the specification: DataType. The others are in between.
namespace sparkplug_type {
enum : std::uint32_t {
  unknown,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  boolean,
  string,
  date_time,
  text,
  uuid,
  data_set,
  bytes,
  file,
  template_,
  property_set,
  property_set_list,
  int8_array,
  int16_array,
  int32_array,
  int64_array,
  uint8_array,
  uint16_array,
  uint32_array,
  uint64_array,
  float_array,
  double_array,
  boolean_array,
  string_array,
  date_time_array,
  count
};
}  // namespace sparkplug_type

/// "Int8"; empty: no such type.
std::string_view sparkplug_type_name(std::uint32_t datatype) noexcept;

/// One of the values that every `oneof value` of the format has. Views borrow from the payload.
struct SparkplugScalar {
  enum class Kind : std::uint8_t {
    none,
    int_value,
    long_value,
    real32,
    real64,
    boolean,
    string,
    other
  };
  Kind kind = Kind::none;
  std::uint64_t integer = 0;
  float real32 = 0;
  double real64 = 0;
  bool boolean = false;
  std::string_view string;
};

/// Appends the value, as of a type up to `uuid`; unknown: the type is taken from the value where
/// that tells it. False: it is none of that type, and nothing was appended.
bool append_sparkplug_scalar(Document& document, std::uint32_t datatype,
                             const SparkplugScalar& value);

/// Appends one of the array types of 3.0: little-endian, packed. `budget`: elements that may still
/// be appended. False: these are no such bytes, or too many; nothing was appended.
bool append_sparkplug_array(Document& document, std::uint32_t datatype, std::string_view packed,
                            std::size_t& budget);

}  // namespace rowgate::schema
