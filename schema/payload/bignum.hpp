#pragma once
// Whole numbers of any size as decimal digits: CBOR's bignums and decimal fractions. Pure.
#include <cstdint>
#include <string>
#include <string_view>

namespace rowgate::schema {

/// The longest bignum that is read: numeric columns take 1000 digits.
inline constexpr std::size_t max_bignum_bytes = 416;

/// The digits of an unsigned number, most significant byte first; with `negative`, those of -1 - it
/// (RFC 8949 section 3.4.3). Precondition: without its leading zeros, at most max_bignum_bytes.
std::string bignum_digits(std::string_view bytes, bool negative);

/// `digits` (with or without a minus) times ten to the `exponent`, as a JSON number.
std::string decimal_fraction(std::string_view digits, std::int64_t exponent);

}  // namespace rowgate::schema
