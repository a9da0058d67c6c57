#include "schema/base/time.hpp"

#include <array>

namespace rowgate {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t day = 86'400 * second;

struct Date {
  int year;
  unsigned month;
  unsigned day;
};

// Howard Hinnant's days_from_civil and civil_from_days (proleptic Gregorian, eras of 400 years).
constexpr std::int64_t days_from_civil(Date d) noexcept {
  const int y = d.month <= 2 ? d.year - 1 : d.year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return static_cast<std::int64_t>(era) * 146'097 + static_cast<std::int64_t>(doe) - 719'468;
}

constexpr Date civil_from_days(std::int64_t z) noexcept {
  z += 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const auto doe = static_cast<unsigned>(z - era * 146'097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned d = doy - (153 * mp + 2) / 5 + 1;
  const unsigned m = mp < 10 ? mp + 3 : mp - 9;
  const auto y = static_cast<int>(static_cast<std::int64_t>(yoe) + era * 400);
  return {m <= 2 ? y + 1 : y, m, d};
}
static_assert(days_from_civil({1970, 1, 1}) == 0);
static_assert(days_from_civil({1, 1, 1}) * day == min_timestamp.micros);

unsigned days_in_month(int year, unsigned month) noexcept {
  static constexpr std::array<unsigned, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

void put(char* out, std::size_t digits, std::uint64_t v) noexcept {
  for (std::size_t i = digits; i-- > 0; v /= 10) out[i] = static_cast<char>('0' + v % 10);
}

// Consumes from the front of a text; every step says whether it could.
class Cursor {
 public:
  explicit Cursor(std::string_view text) noexcept : text_(text) {}
  bool done() const noexcept { return text_.empty(); }
  char peek() const noexcept { return text_.empty() ? '\0' : text_.front(); }
  bool digit() const noexcept { return peek() >= '0' && peek() <= '9'; }
  bool take(char c) noexcept {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool number(std::size_t digits, int& out) noexcept {
    out = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!digit()) return false;
      out = out * 10 + next();
    }
    return true;
  }
  int next() noexcept {
    const int d = text_.front() - '0';
    text_.remove_prefix(1);
    return d;
  }

 private:
  std::string_view text_;
};

// HH:MM[:SS[.fraction]] in microseconds. 24:00 is not taken; a leap second 60 is, as the next
// second.
bool time_of_day(Cursor& in, std::int64_t& micros) noexcept {
  int h = 0;
  int m = 0;
  int s = 0;
  std::int64_t fraction = 0;
  if (!in.number(2, h) || !in.take(':') || !in.number(2, m)) return false;
  if (in.take(':')) {
    if (!in.number(2, s)) return false;
    if (in.take('.') || in.take(',')) {
      if (!in.digit()) return false;
      for (std::int64_t unit = second / 10; in.digit(); unit /= 10) fraction += in.next() * unit;
    }
  }
  if (h > 23 || m > 59 || s > 60) return false;
  micros = (h * 3600LL + m * 60LL + s) * second + fraction;
  return true;
}

// Z, +HH, +HHMM or +HH:MM in microseconds east of UTC; nothing is UTC.
bool utc_offset(Cursor& in, std::int64_t& micros) noexcept {
  micros = 0;
  if (in.done() || in.take('Z') || in.take('z')) return true;
  const bool west = in.peek() == '-';
  if (!in.take('+') && !in.take('-')) return false;
  int h = 0;
  int m = 0;
  if (!in.number(2, h)) return false;
  const bool colon = in.take(':');
  if ((colon || in.digit()) && !in.number(2, m)) return false;
  if (h > 23 || m > 59) return false;
  micros = (h * 60LL + m) * 60 * second;
  if (west) micros = -micros;
  return true;
}

}  // namespace

void format_iso8601(Timestamp t, char* out) noexcept {
  std::int64_t days = t.micros / day;
  std::int64_t rest = t.micros % day;
  if (rest < 0) {
    rest += day;
    --days;
  }
  const Date date = civil_from_days(days);
  const auto r = static_cast<std::uint64_t>(rest);
  put(out, 4, static_cast<std::uint64_t>(date.year));
  out[4] = '-';
  put(out + 5, 2, date.month);
  out[7] = '-';
  put(out + 8, 2, date.day);
  out[10] = 'T';
  put(out + 11, 2, r / (3600 * second));
  out[13] = ':';
  put(out + 14, 2, r / (60 * second) % 60);
  out[16] = ':';
  put(out + 17, 2, r / second % 60);
  out[19] = '.';
  put(out + 20, 6, r % second);
  out[26] = 'Z';
}

std::string to_iso8601(Timestamp t) {
  std::string out(iso8601_size, '\0');
  format_iso8601(t, out.data());
  return out;
}

std::optional<Timestamp> parse_iso8601(std::string_view text) noexcept {
  Cursor in(text);
  int year = 0;
  int month = 0;
  int d = 0;
  if (!in.number(4, year) || !in.take('-') || !in.number(2, month) || !in.take('-') ||
      !in.number(2, d)) {
    return std::nullopt;
  }
  if (year < 1 || month < 1 || month > 12 || d < 1) return std::nullopt;
  const Date date{year, static_cast<unsigned>(month), static_cast<unsigned>(d)};
  if (date.day > days_in_month(year, date.month)) return std::nullopt;
  std::int64_t clock = 0;
  std::int64_t east = 0;
  if (!in.done()) {
    if (!in.take('T') && !in.take('t') && !in.take(' ')) return std::nullopt;
    if (!time_of_day(in, clock) || !utc_offset(in, east) || !in.done()) return std::nullopt;
  }
  const Timestamp t{days_from_civil(date) * day + clock - east};
  if (!in_range(t)) return std::nullopt;
  return t;
}

}  // namespace rowgate
