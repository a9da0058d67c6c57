#pragma once
// Native RANGE partitions over the time column: which are there, which are wanted, and the SQL that
// makes and drops them. Boundaries are UTC. Pure; any thread.
//
// A partition is made ahead, so that rows never wait for DDL. Rows of other dates go to the default
// partition; one that is made later takes over the rows that the default one has for it.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/base/time.hpp"
#include "schema/table.hpp"

namespace rowgate::storage::postgres {

/// [from, to)
struct TimeRange {
  Timestamp from, to;
  bool operator==(const TimeRange&) const = default;
};

struct Partition {
  std::string name;                // schema.name, quoted
  std::optional<TimeRange> holds;  // nullopt: the default partition
};

/// The first instant of the span that holds `t`, and of the one after it.
Timestamp span_begin(Timestamp t, schema::Span span) noexcept;
Timestamp span_end(Timestamp t, schema::Span span) noexcept;

/// What pg_get_expr() says of a partition's bound, in a session in UTC: `DEFAULT` (nullopt), or
/// `FOR VALUES FROM ('...') TO ('...')`; MINVALUE, MAXVALUE and what is no such time are the ends
/// of all time.
std::optional<TimeRange> parse_bound(std::string_view bound);

/// The ranges that have no partition yet, from the span before `now` to the last one to be made
/// ahead. They meet those that are there, whatever their length.
std::vector<TimeRange> missing_ranges(const std::vector<Partition>& existing, schema::Span span,
                                      Timestamp now);

/// "room_p20261121", with "_0500" where it does not begin at midnight.
std::string partition_name(const schema::Table& table, Timestamp from);
std::string default_partition_name(const schema::Table& table);

/// ` PARTITION BY RANGE ("ts")`
std::string partition_clause(const schema::Table& table);
/// For a table that nobody uses yet.
std::string create_partition(const schema::Table& table, TimeRange range);
std::string create_default_partition(const schema::Table& table);
/// For a table in use: readers and writers of other partitions are not waited for. `default_name`,
/// where there is a default partition (quoted), gives up the rows of the range; `columns`: all that
/// can be written.
std::string attach_partition(const schema::Table& table, TimeRange range,
                             const std::optional<std::string>& default_name,
                             const std::vector<std::string>& columns);

}  // namespace rowgate::storage::postgres
