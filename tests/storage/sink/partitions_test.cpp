#include "storage/sink/postgres/partitions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowgate::storage::postgres {
namespace {

using schema::Span;
using testing::ElementsAre;

Timestamp at(std::string_view text) {
  return *parse_iso8601(text);
}
std::vector<std::string> text(const std::vector<TimeRange>& ranges) {
  std::vector<std::string> lines;
  for (const TimeRange& r : ranges)
    lines.push_back(to_iso8601(r.from).substr(0, 16) + " " + to_iso8601(r.to).substr(0, 16));
  return lines;
}
Partition part(std::string_view from, std::string_view to) {
  return {"p", TimeRange{at(from), at(to)}};
}

TEST(Partitions, BeginAtTheHourMidnightMondayAndTheFirst) {
  const Timestamp t = at("2026-11-21T05:59:59.999999Z");  // a Saturday
  EXPECT_EQ(span_begin(t, Span::hour), at("2026-11-21T05:00"));
  EXPECT_EQ(span_begin(t, Span::day), at("2026-11-21"));
  EXPECT_EQ(span_begin(t, Span::week), at("2026-11-16"));
  EXPECT_EQ(span_begin(t, Span::month), at("2026-11-01"));
  EXPECT_EQ(span_end(t, Span::hour), at("2026-11-21T06:00"));
  EXPECT_EQ(span_end(t, Span::week), at("2026-11-23"));
  EXPECT_EQ(span_end(t, Span::month), at("2026-12-01"));
  EXPECT_EQ(span_end(at("2024-02-29"), Span::month), at("2024-03-01"));
  EXPECT_EQ(span_begin(at("1969-12-31T23:30"), Span::day), at("1969-12-31"));
}

TEST(Partitions, AreMadeForTheSpanBeforeAndSomeAhead) {
  EXPECT_THAT(text(missing_ranges({}, Span::day, at("2026-11-21T12:00"))),
              ElementsAre("2026-11-20T00:00 2026-11-21T00:00", "2026-11-21T00:00 2026-11-22T00:00",
                          "2026-11-22T00:00 2026-11-23T00:00", "2026-11-23T00:00 2026-11-24T00:00",
                          "2026-11-24T00:00 2026-11-25T00:00"));
  EXPECT_EQ(missing_ranges({}, Span::hour, at("2026-11-21")).size(), 8U);
  EXPECT_THAT(text(missing_ranges({}, Span::month, at("2026-12-31"))),
              ElementsAre("2026-11-01T00:00 2026-12-01T00:00", "2026-12-01T00:00 2027-01-01T00:00",
                          "2027-01-01T00:00 2027-02-01T00:00"));
}

TEST(Partitions, MeetThoseOfAnotherLength) {
  // Days until the 22nd, then one from the 24th; now in weeks.
  EXPECT_THAT(
      text(missing_ranges({part("2026-11-01", "2026-11-22"),
                           part("2026-11-24", "2026-11-25"),
                           {"rest", std::nullopt}},
                          Span::week, at("2026-11-21"))),
      ElementsAre("2026-11-22T00:00 2026-11-23T00:00", "2026-11-23T00:00 2026-11-24T00:00",
                  "2026-11-25T00:00 2026-11-30T00:00", "2026-11-30T00:00 2026-12-07T00:00"));
}

TEST(Partitions, ABoundIsReadAsTheCatalogueWritesIt) {
  const auto day =
      parse_bound("FOR VALUES FROM ('2026-11-21 00:00:00+00') TO ('2026-11-22 00:00:00+00')");
  EXPECT_EQ(day, (TimeRange{at("2026-11-21"), at("2026-11-22")}));
  const auto open = parse_bound("FOR VALUES FROM (MINVALUE) TO ('2026-11-22 00:00:00+00')");
  EXPECT_EQ(open, (TimeRange{min_timestamp, at("2026-11-22")}));
  EXPECT_EQ(parse_bound("FOR VALUES FROM ('2026-11-21 00:00:00+00') TO (MAXVALUE)")->to,
            max_timestamp);
  EXPECT_EQ(parse_bound("DEFAULT"), std::nullopt);
}

TEST(Partitions, AreNamedByTheirFirstMinute) {
  const schema::Table table{"plant.room", {}, {}, {}, "ts"};
  EXPECT_EQ(partition_name(table, at("2026-11-01")), "plant.room_p20261101");
  EXPECT_EQ(partition_name(table, at("2026-11-01T05:00")), "plant.room_p20261101_0500");
}

}  // namespace
}  // namespace rowgate::storage::postgres
