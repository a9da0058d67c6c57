#include "schema/number.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <system_error>

namespace rowgate::schema {
namespace {

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::size_t digits_at(std::string_view text, std::size_t at) noexcept {
  std::size_t n = 0;
  while (at + n < text.size() && is_digit(text[at + n])) ++n;
  return n;
}

// [eE][+-]digits to the end of the text, or nothing.
bool exponent_or_end(std::string_view text, std::size_t at) noexcept {
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  const std::size_t n = digits_at(text, at);
  return n > 0 && at + n == text.size();
}

struct Decimal {
  bool negative = false;
  std::string_view whole;     // digits before the point
  std::string_view fraction;  // digits after it
  long exponent = 0;          // clamped to +-100,000
};

Decimal split(std::string_view text) noexcept {
  Decimal d;
  if (text.front() == '-' || text.front() == '+') {
    d.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const std::size_t whole = digits_at(text, 0);
  d.whole = text.substr(0, whole);
  text.remove_prefix(whole);
  if (text.starts_with('.')) {
    const std::size_t n = digits_at(text, 1);
    d.fraction = text.substr(1, n);
    text.remove_prefix(n + 1);
  }
  if (text.empty()) return d;
  text.remove_prefix(1);
  const bool minus = text.front() == '-';
  if (minus || text.front() == '+') text.remove_prefix(1);
  for (const char c : text) d.exponent = std::min(d.exponent * 10 + (c - '0'), 100'000L);
  if (minus) d.exponent = -d.exponent;
  return d;
}

// What readings look like: at most 18 digits, perhaps with a point, no exponent.
// It is mantissa / 10^decimals.
struct Plain {
  bool negative = false;
  std::uint64_t mantissa = 0;
  std::size_t decimals = 0;
};

constexpr std::array<std::uint64_t, 19> powers_of_ten = [] {
  std::array<std::uint64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// False: the number is not of this kind.
bool plain(std::string_view text, Plain& number) noexcept {
  constexpr std::size_t most_digits = 18;  // fit 63 bits
  if (text.front() == '-' || text.front() == '+') {
    number.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.size() > most_digits + 1) return false;
  std::size_t digits = 0;
  for (std::size_t left = text.size(); const char c : text) {
    --left;
    if (is_digit(c)) {
      number.mantissa = number.mantissa * 10 + static_cast<std::uint64_t>(c - '0');
      ++digits;
    } else if (c == '.') {
      number.decimals = left;
    } else {
      return false;
    }
  }
  return digits <= most_digits;
}

// number * 10^power, cut off towards zero. False: beyond 63 bits, or beyond the table.
bool scale(const Plain& number, int power, std::uint64_t& v, bool& exact) noexcept {
  const int shift = power - static_cast<int>(number.decimals);
  const auto places = static_cast<std::size_t>(std::abs(shift));
  if (places >= powers_of_ten.size()) return false;
  const std::uint64_t factor = powers_of_ten[places];
  v = number.mantissa;
  exact = true;
  if (shift >= 0) return !__builtin_mul_overflow(v, factor, &v) && v < 1ULL << 63;
  exact = v % factor == 0;
  v /= factor;
  return true;
}

}  // namespace

bool is_json_number(std::string_view text) noexcept {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits_at(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return false;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t n = digits_at(text, at + 1);
    if (n == 0) return false;
    at += n + 1;
  }
  return exponent_or_end(text, at);
}

bool is_number(std::string_view text) noexcept {
  std::size_t at = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const std::size_t whole = digits_at(text, at);
  at += whole;
  std::size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    fraction = digits_at(text, at + 1);
    if (fraction == 0) return false;
    at += fraction + 1;
  }
  return whole + fraction > 0 && exponent_or_end(text, at);
}

std::optional<double> to_double(std::string_view text) noexcept {
  // Both a whole number below 2^53 and a power of ten up to 10^22 are doubles, so that their
  // quotient is rounded once: it is the nearest double (W. D. Clinger, 1990).
  if (Plain number; plain(text, number) && number.mantissa <= 1ULL << 53) {
    const double v =
        static_cast<double>(number.mantissa) / static_cast<double>(powers_of_ten[number.decimals]);
    return number.negative ? -v : v;
  }
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{}) return value;
  // Out of range, one way or the other: where the first digit that counts stands tells which.
  const Decimal d = split(text);
  const std::size_t lead = d.whole.find_first_not_of('0');
  long magnitude = d.exponent;
  if (lead != std::string_view::npos) {
    magnitude += static_cast<long>(d.whole.size() - lead);
  } else {
    magnitude -= static_cast<long>(std::min(d.fraction.find_first_not_of('0'), d.fraction.size()));
  }
  if (magnitude > 0) return std::nullopt;
  return d.negative ? -0.0 : 0.0;
}

std::optional<Scaled> to_scaled(std::string_view text, int power) noexcept {
  if (Plain number; plain(text, number)) {
    std::uint64_t v = 0;
    bool exact = true;
    if (scale(number, power, v, exact)) {
      return Scaled{static_cast<std::int64_t>(number.negative ? 0 - v : v), exact};
    }
  }
  const Decimal d = split(text);
  long take = static_cast<long>(d.whole.size()) + d.exponent + power;
  const std::uint64_t limit = (1ULL << 63) - (d.negative ? 0 : 1);
  std::uint64_t v = 0;
  bool exact = true;
  for (const std::string_view part : {d.whole, d.fraction}) {
    for (const char c : part) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (take-- <= 0) {
        exact = exact && digit == 0;
      } else {
        if (v > (limit - digit) / 10) return std::nullopt;
        v = v * 10 + digit;
      }
    }
  }
  for (; take > 0 && v != 0; --take) {
    if (v > limit / 10) return std::nullopt;
    v *= 10;
  }
  return Scaled{static_cast<std::int64_t>(d.negative ? 0 - v : v), exact};
}

bool to_decimal(std::string_view text, std::string& out) {
  constexpr long most_digits = 1000;
  const Decimal d = split(text);
  const auto whole = static_cast<long>(d.whole.size());
  const auto fraction = static_cast<long>(d.fraction.size());
  if (whole + fraction > most_digits || std::abs(d.exponent) > most_digits) return false;
  const auto digit = [&](long i) {  // i counts from the first digit; zero beyond both ends
    if (i < 0 || i >= whole + fraction) return '0';
    return i < whole ? d.whole[static_cast<std::size_t>(i)]
                     : d.fraction[static_cast<std::size_t>(i - whole)];
  };
  const long point = whole + d.exponent;
  long first = 0;
  while (first < point - 1 && digit(first) == '0') ++first;
  if (point - first > most_digits) return false;
  const std::size_t start = out.size();
  bool zero = true;
  const auto put = [&](char c) {
    zero = zero && c == '0';
    out.push_back(c);
  };
  if (d.negative) out.push_back('-');
  if (point <= 0) put('0');
  for (long i = first; i < point; ++i) put(digit(i));
  if (whole + fraction > point) out.push_back('.');
  for (long i = point; i < whole + fraction; ++i) put(digit(i));
  if (zero && d.negative) out.erase(start, 1);
  return true;
}

}  // namespace rowgate::schema
