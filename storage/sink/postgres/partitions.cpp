#include "storage/sink/postgres/partitions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "storage/sink/fit.hpp"

namespace rowgate::storage::postgres {
namespace {

using schema::Span;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::months;
using std::chrono::sys_days;
using Micros = std::chrono::sys_time<microseconds>;

Micros point(Timestamp t) noexcept {
  return Micros(microseconds(t.micros));
}
Timestamp stamp(Micros t) noexcept {
  return {t.time_since_epoch().count()};
}

sys_days month_of(Micros t) noexcept {
  const std::chrono::year_month_day date(floor<days>(t));
  return sys_days(date.year() / date.month() / 1);
}

/// How many spans beyond the present one are made.
int ahead(Span span) noexcept {
  switch (span) {
    case Span::hour:
      return 6;
    case Span::day:
      return 3;
    case Span::week:
      return 2;
    case Span::month:
      break;
  }
  return 1;
}

std::optional<Timestamp> quoted_time(std::string_view text) {
  const auto begin = text.find('\'');
  const auto end = text.find('\'', begin + 1);
  if (begin == std::string_view::npos || end == std::string_view::npos) return std::nullopt;
  return parse_iso8601(text.substr(begin + 1, end - begin - 1));
}

std::string literal(Timestamp t) {
  return fmt::format("'{}'", to_iso8601(t));
}

}  // namespace

Timestamp span_begin(Timestamp t, Span span) noexcept {
  switch (span) {
    case Span::hour:
      return stamp(floor<hours>(point(t)));
    case Span::day:
      return stamp(floor<days>(point(t)));
    case Span::week: {
      const sys_days day = floor<days>(point(t));
      return stamp(day - (std::chrono::weekday(day) - std::chrono::Monday));
    }
    case Span::month:
      break;
  }
  return stamp(month_of(point(t)));
}

Timestamp span_end(Timestamp t, Span span) noexcept {
  const Micros begin = point(span_begin(t, span));
  switch (span) {
    case Span::hour:
      return stamp(begin + hours(1));
    case Span::day:
      return stamp(begin + days(1));
    case Span::week:
      return stamp(begin + days(7));
    case Span::month:
      break;
  }
  return stamp(month_of(begin + days(31)));
}

std::optional<TimeRange> parse_bound(std::string_view bound) {
  const auto from = bound.find("FROM (");
  const auto to = bound.find(") TO (");
  if (from == std::string_view::npos || to == std::string_view::npos) return std::nullopt;
  return TimeRange{quoted_time(bound.substr(from, to - from)).value_or(min_timestamp),
                   quoted_time(bound.substr(to)).value_or(max_timestamp)};
}

std::vector<TimeRange> missing_ranges(const std::vector<Partition>& existing, Span span,
                                      Timestamp now) {
  Timestamp at = span_begin({span_begin(now, span).micros - 1}, span);
  Timestamp end = span_end(now, span);
  for (int i = 0; i < ahead(span); ++i) end = span_end(end, span);
  std::vector<TimeRange> missing;
  while (at < end) {
    const auto holding = std::ranges::find_if(existing, [&](const Partition& p) {
      return p.holds && p.holds->from <= at && at < p.holds->to;
    });
    if (holding != existing.end()) {
      at = holding->holds->to;
      continue;
    }
    TimeRange range{at, span_end(at, span)};
    for (const Partition& p : existing) {
      if (p.holds && p.holds->from > at) range.to = std::min(range.to, p.holds->from);
    }
    missing.push_back(range);
    at = range.to;
  }
  return missing;
}

std::string partition_name(const schema::Table& table, Timestamp from) {
  const sys_days day = floor<days>(point(from));
  const std::chrono::year_month_day date(day);
  std::string name =
      fmt::format("{}_p{:04}{:02}{:02}", table.name, static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  const auto minutes = std::chrono::floor<std::chrono::minutes>(point(from) - day).count();
  if (minutes != 0) name += fmt::format("_{:02}{:02}", minutes / 60, minutes % 60);
  return name;
}

std::string default_partition_name(const schema::Table& table) {
  return table.name + "_default";
}

std::string partition_clause(const schema::Table& table) {
  return fmt::format(" PARTITION BY RANGE ({})", schema::quote_identifier(table.time_column));
}

std::string create_partition(const schema::Table& table, TimeRange range) {
  return fmt::format("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})",
                     schema::quote_table(partition_name(table, range.from)),
                     schema::quote_table(table.name), literal(range.from), literal(range.to));
}

std::string create_default_partition(const schema::Table& table) {
  return fmt::format("CREATE TABLE {} PARTITION OF {} DEFAULT",
                     schema::quote_table(default_partition_name(table)),
                     schema::quote_table(table.name));
}

std::string attach_partition(const schema::Table& table, TimeRange range,
                             const std::optional<std::string>& default_name,
                             const std::vector<std::string>& columns) {
  const std::string parent = schema::quote_table(table.name);
  const std::string name = schema::quote_table(partition_name(table, range.from));
  std::string sql = fmt::format(
      "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED "
      "INCLUDING STORAGE); ",
      name, parent);
  if (default_name) {
    const std::string& rest = *default_name;
    const std::string time = schema::quote_identifier(table.time_column);
    const std::string list = name_list(columns);
    // Locked first: a row that came between the move and ATTACH would make ATTACH fail.
    sql += fmt::format(
        "LOCK TABLE {0} IN ACCESS EXCLUSIVE MODE; WITH moved AS (DELETE FROM {0} WHERE {1} >= {2} "
        "AND {1} < {3} RETURNING {4}) INSERT INTO {5} ({4}) SELECT {4} FROM moved; ",
        rest, time, literal(range.from), literal(range.to), list, name);
  }
  return sql + fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})",
                           parent, name, literal(range.from), literal(range.to));
}

}  // namespace rowgate::storage::postgres
