#pragma once
// Decimal numbers as text: grammar, and exact conversion without a detour through binary floating
// point where the target is an integer or a decimal. Pure; any thread; nothing allocates but
// to_decimal's `out`.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowgate::schema {

/// RFC 8259 section 6: no leading zeros, no '+', digits on both sides of the point.
bool is_json_number(std::string_view text) noexcept;
/// The same with '+', leading zeros and ".5" allowed; for payloads and topics that are plain text.
bool is_number(std::string_view text) noexcept;

/// Nearest double; a magnitude too small for one is 0. nullopt: too large.
/// Precondition for all below: is_number(text).
std::optional<double> to_double(std::string_view text) noexcept;

struct Scaled {
  std::int64_t value = 0;
  bool exact = true;  // no digit was cut off
};
/// text * 10^power, cut off towards zero. nullopt: beyond 64 bits.
std::optional<Scaled> to_scaled(std::string_view text, int power) noexcept;

/// Appends [-]digits[.digits], without exponent, '+' or superfluous leading zeros; the digits after
/// the point are kept as they are. False: more than 1000 digits.
bool to_decimal(std::string_view text, std::string& out);

}  // namespace rowgate::schema
