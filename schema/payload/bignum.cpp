#include "schema/payload/bignum.hpp"

#include <vector>

namespace rowgate::schema {

std::string bignum_digits(std::string_view bytes, bool negative) {
  constexpr std::uint64_t base = 1'000'000'000;
  constexpr std::size_t base_digits = 9;
  std::vector<std::uint32_t> limbs{0};  // least significant first
  const auto times_plus = [&](std::uint64_t factor, std::uint64_t carry) {
    for (std::uint32_t& limb : limbs) {
      const std::uint64_t v = limb * factor + carry;
      limb = static_cast<std::uint32_t>(v % base);
      carry = v / base;
    }
    if (carry > 0) limbs.push_back(static_cast<std::uint32_t>(carry));
  };
  for (const char c : bytes) times_plus(256, static_cast<unsigned char>(c));
  if (negative) times_plus(1, 1);
  std::string digits = negative ? "-" : "";
  digits += std::to_string(limbs.back());
  for (std::size_t i = limbs.size() - 1; i-- > 0;) {
    const std::string limb = std::to_string(limbs[i]);
    digits.append(base_digits - limb.size(), '0').append(limb);
  }
  return digits;
}

std::string decimal_fraction(std::string_view digits, std::int64_t exponent) {
  constexpr std::int64_t most_zeros = 400;
  std::string number(digits);
  if (exponent > 0 || exponent < -most_zeros) {
    return number.append("e").append(std::to_string(exponent));
  }
  if (exponent == 0) return number;
  const std::size_t sign = number.starts_with('-') ? 1 : 0;
  const auto behind = static_cast<std::size_t>(-exponent);
  if (number.size() - sign <= behind) number.insert(sign, behind + 1 - (number.size() - sign), '0');
  number.insert(number.size() - behind, 1, '.');
  return number;
}

}  // namespace rowgate::schema
