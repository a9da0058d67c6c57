#pragma once
// One SQL value, 16 bytes. Text-like values are views: into the message they came from or into
// the RowBatch's arena; whoever fills a RowBatch guarantees they live until its clear().
#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/base/time.hpp"

namespace rowgate::schema {

/// Column types, named as in the mapping language.
enum class Type : std::uint8_t {
  boolean,
  bigint,
  double_precision,  // `double` in the mapping language
  text,
  timestamptz,
  jsonb,    // its JSON text
  bytea,    // its bytes
  uuid,     // its 16 bytes, network order
  numeric,  // its decimal text, as both databases print it: [-]digits[.digits]
};

/// The mapping language's word for the type ("double", not "double precision").
std::string_view type_name(Type type) noexcept;

class Value {
 public:
  constexpr Value() noexcept : integer_(0) {}  // NULL
  static Value of_bool(bool v) noexcept { return Value(Type::boolean, v ? 1 : 0); }
  static Value of_bigint(std::int64_t v) noexcept { return Value(Type::bigint, v); }
  static Value of_timestamp(Timestamp v) noexcept { return Value(Type::timestamptz, v.micros); }
  static Value of_double(double v) noexcept {
    Value r(Type::double_precision, 0);
    r.double_ = v;
    return r;
  }
  /// text, jsonb, bytea, uuid, numeric. Precondition: bytes.size() < 4 GiB.
  static Value of_bytes(Type type, std::string_view bytes) noexcept {
    Value r(type, 0);
    r.bytes_ = bytes.data();
    r.size_ = static_cast<std::uint32_t>(bytes.size());
    return r;
  }

  bool is_null() const noexcept { return null_; }
  /// Precondition for all below: not NULL and of that type.
  Type type() const noexcept {
    assert(!null_);
    return type_;
  }
  bool as_bool() const noexcept { return integer_ != 0; }
  std::int64_t as_bigint() const noexcept { return integer_; }
  double as_double() const noexcept { return double_; }
  Timestamp as_timestamp() const noexcept { return Timestamp{integer_}; }
  std::string_view as_bytes() const noexcept { return {bytes_, size_}; }

 private:
  Value(Type type, std::int64_t v) noexcept : integer_(v), type_(type), null_(false) {}

  union {
    std::int64_t integer_;
    double double_;
    const char* bytes_;
  };
  std::uint32_t size_ = 0;
  Type type_ = Type::boolean;
  bool null_ = true;
};
static_assert(sizeof(Value) == 16);

/// For people (`rowgate explain`, test output), close to SQL's literals: NULL, true, 21.5,
/// 'it''s', '\x0aff', 2026-11-21T07:09:39.123456Z.
std::string to_text(const Value& value);

}  // namespace rowgate::schema
