// What only PostgreSQL does for [table.NAME]: native partitions, and the extensions that are
// TimescaleDB and Citus, of which a stand-in records what it is asked to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/os/clock.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using schema::RowBatch;
using schema::Span;
using schema::Table;
using schema::Type;
using schema::Value;
using std::chrono::hours;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t day = 86'400'000'000;

class PostgresStorage : public testing::Test {
 protected:
  void SetUp() override {
    url_ = server_.new_database();
    sink_ = postgres::make_sink(url_);
    lane_ = sink_->lane(Lane{0});
    ASSERT_TRUE(lane_->open({"gw", "j", Lane{0}}, Position{0}));
  }
  std::string sql(const std::string& text) { return server_.sql(test::database_of(url_), text); }
  void store(const Table& table, Timestamp ts, std::int64_t n) {
    RowBatch batch(table);
    const auto row = batch.add_row(0);
    row[0] = Value::of_timestamp(ts);
    row[1] = Value::of_bigint(n);
    const auto fits = lane_->ensure(table);
    ASSERT_TRUE(fits) << fits.error().message;
    ASSERT_TRUE(lane_->begin());
    const auto inserted = lane_->insert({&batch, 0, 1}, false);
    ASSERT_TRUE(inserted) << inserted.error().message;
    ASSERT_TRUE(lane_->commit(Position{position_}, Position{position_ + 1}));
    ++position_;
  }
  Maintained maintain(const Table& table, Timestamp now) {
    Maintained sum;
    for (bool more = true; more;) {
      const auto done = lane_->maintain(table, now);
      EXPECT_TRUE(done) << done.error().message;
      if (!done) break;
      sum.rows += done->rows;
      sum.partitions += done->partitions;
      more = done->more;
    }
    return sum;
  }
  std::string partitions_of(const std::string& table) {
    return sql("SELECT count(*) FROM pg_inherits WHERE inhparent = '" + table + "'::regclass");
  }

  test::PostgresServer& server_ = test::PostgresServer::shared();
  Timestamp now_ = os::system_clock().now();
  std::string url_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<SinkLane> lane_;
  std::uint64_t position_ = 0;
};

Table parted(const std::string& name = "parted") {
  Table table{name, {{"ts", Type::timestamptz, true}, {"n", Type::bigint}}, {"n", "ts"}, {}, "ts"};
  table.storage.partition = Span::day;
  return table;
}

TEST_F(PostgresStorage, PartitionsAreMadeAheadAndRowsOfAnyDateAreTaken) {
  const Table table = parted("plant.parted");
  store(table, now_, 1);
  store(table, *parse_iso8601("1970-01-01"), 2);
  store(table, *parse_iso8601("9999-12-31"), 3);
  store(table, now_, 1);  // sent again
  EXPECT_EQ(sql("SELECT count(*) FROM plant.parted"), "3");
  EXPECT_EQ(sql("SELECT count(*) FROM plant.parted_default"), "2");
  EXPECT_EQ(partitions_of("plant.parted"), "6");
  const auto plan = sink_->plan(table);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->statements, IsEmpty());
}

TEST_F(PostgresStorage, ANewPartitionTakesItsRowsFromTheDefaultOne) {
  const Table table = parted();
  store(table, {now_.micros + 20 * day}, 1);
  store(table, {now_.micros + 40 * day}, 2);
  EXPECT_EQ(sql("SELECT count(*) FROM parted_default"), "2");
  maintain(table, {now_.micros + 20 * day});
  EXPECT_EQ(sql("SELECT count(*) FROM parted_default"), "1");
  EXPECT_EQ(sql("SELECT count(*) FROM parted"), "2");
  EXPECT_THAT(lane_->take_notes(), IsEmpty());
  store(table, {now_.micros + 20 * day}, 3);
  EXPECT_EQ(sql("SELECT count(*) FROM parted_default"), "1");
}

TEST_F(PostgresStorage, OldPartitionsAreDroppedAndOldRowsLeaveTheDefaultOne) {
  Table table = parted();
  table.storage.retention = hours(48);
  store(table, now_, 1);
  store(table, {now_.micros - 300 * day}, 2);
  const Maintained first = maintain(table, now_);
  EXPECT_EQ(first.rows, 1U);
  EXPECT_EQ(first.partitions, 0U);
  EXPECT_EQ(sql("SELECT n FROM parted"), "1");
  // Ten days on: yesterday's partition and the five ahead of it are past.
  EXPECT_EQ(maintain(table, {now_.micros + 10 * day}).partitions, 5U);
  EXPECT_EQ(sql("SELECT count(*) FROM parted"), "0");
  EXPECT_EQ(maintain(table, {now_.micros + 10 * day}).partitions, 0U);
}

TEST_F(PostgresStorage, AReaderOfAnOldPartitionIsNotWaitedForLong) {
  Table table = parted();
  table.storage.retention = hours(48);
  store(table, now_, 1);
  const std::string url = url_;
  std::FILE* reader = ::popen(("psql -XAtq '" + url +
                               "' -c 'BEGIN; SELECT n FROM parted; SELECT pg_sleep(60); COMMIT' "
                               ">/dev/null 2>&1")
                                  .c_str(),
                              "r");
  while (sql("SELECT count(*) FROM pg_locks WHERE relation = 'parted'::regclass") == "0") {
  }
  const auto blocked = lane_->maintain(table, {now_.micros + 10 * day});
  ASSERT_FALSE(blocked);
  EXPECT_THAT(blocked.error().message, HasSubstr("not dropped"));
  sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
      "AND pid <> pg_backend_pid()");
  ::pclose(reader);
  EXPECT_EQ(maintain(table, {now_.micros + 10 * day}).partitions, 5U);
  store(table, now_, 2);  // and the lane goes on
}

TEST_F(PostgresStorage, ATableThatIsThereWithoutPartitionsStaysSoWithANote) {
  sql("CREATE TABLE parted (ts timestamptz, n bigint, UNIQUE (n, ts)); INSERT INTO parted VALUES "
      "('2020-01-01', 1)");
  Table table = parted();
  table.storage.retention = hours(24);
  ASSERT_TRUE(lane_->ensure(table));
  EXPECT_THAT(lane_->take_notes(), ElementsAre(HasSubstr("exists without partitions")));
  EXPECT_EQ(maintain(table, now_).rows, 1U);
}

TEST_F(PostgresStorage, PartitionsOfOthersAreJudged) {
  sql("CREATE TABLE parted (ts timestamptz, n bigint) PARTITION BY RANGE (ts); CREATE TABLE p1 "
      "PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')");
  Table table = parted();
  table.key.clear();
  table.storage.partition.reset();
  auto plan = sink_->plan(table);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("none of its 1 partitions holds rows of")));
  table.storage.partition = Span::month;
  ASSERT_TRUE(lane_->ensure(table));
  EXPECT_EQ(partitions_of("parted"), "5");  // one more before, this month, one ahead, the rest
  table.key = {"n"};
  plan = sink_->plan(table);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("holds column ts"));
  EXPECT_THAT(sql("CREATE TABLE listed (ts timestamptz, n bigint) PARTITION BY LIST (n)"), "");
  Table listed = parted("listed");
  plan = sink_->plan(listed);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("exists partitioned by LIST (n)")));
}

/// The two extensions as far as the gateway calls them, in the server's share directory.
class StandIn {
 public:
  explicit StandIn(const std::string& name, const std::string& script) : name_(name) {
    std::ofstream(path(".control")) << "comment = 'stand-in of the tests'\ndefault_version = '0'\n"
                                       "relocatable = false\n";
    std::ofstream(path("--0.sql")) << script;
    written_ = std::filesystem::exists(path("--0.sql"));
  }
  ~StandIn() {
    std::error_code ignored;
    std::filesystem::remove(path(".control"), ignored);
    std::filesystem::remove(path("--0.sql"), ignored);
  }
  bool written() const { return written_; }

 private:
  std::string path(const std::string& suffix) const {
    return "/usr/share/postgresql/15/extension/" + name_ + suffix;
  }
  std::string name_;
  bool written_ = false;
};

constexpr const char* timescaledb = R"(
CREATE TABLE calls (at serial, call text);
CREATE SCHEMA timescaledb_information;
CREATE TABLE timescaledb_information.hypertables (hypertable_schema name, hypertable_name name);
CREATE FUNCTION create_hypertable(relation regclass, time_column_name name,
  chunk_time_interval interval, create_default_indexes boolean) RETURNS void LANGUAGE sql AS $$
  INSERT INTO calls (call) VALUES (format('create_hypertable %s %s %s', relation,
    time_column_name, chunk_time_interval));
  INSERT INTO timescaledb_information.hypertables
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation $$;
CREATE FUNCTION add_retention_policy(relation regclass, drop_after interval) RETURNS void
  LANGUAGE sql AS $$ INSERT INTO calls (call) VALUES (format('add_retention_policy %s %s',
    relation, drop_after)) $$;
)";
constexpr const char* citus = R"(
CREATE TABLE pg_dist_partition (logicalrelid regclass, partkey text);
CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text)
  RETURNS void LANGUAGE sql AS $$ INSERT INTO pg_dist_partition VALUES (table_name,
    distribution_column) $$;
)";

TEST_F(PostgresStorage, AHypertableIsMadeWhereTimescaledbIs) {
  const StandIn extension("timescaledb", timescaledb);
  ASSERT_TRUE(extension.written()) << "needs to write to the server's extension directory";
  Table table = parted("plant.hyper");
  table.storage.partition.reset();
  table.storage.retention = hours(24 * 90);
  table.storage.hypertable =
      schema::Hypertable{.chunk = hours(24), .compress_after = hours(24 * 7), .compress_by = {"n"}};
  auto plan = sink_->plan(table);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("CREATE EXTENSION makes it")));
  sql("CREATE EXTENSION timescaledb");
  plan = sink_->plan(table);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->statements, Contains(HasSubstr("timescaledb.compress_segmentby = '\"n\"'")));
  store(table, now_, 1);
  EXPECT_EQ(sql("SELECT call FROM calls ORDER BY at"),
            "create_hypertable plant.hyper ts 1 day\n"
            "add_retention_policy plant.hyper 90 days");
  // The stand-in has no storage parameters of its own: that step fails alone, and is told.
  EXPECT_THAT(lane_->take_notes(), ElementsAre(HasSubstr("its chunks are not compressed")));
  EXPECT_EQ(maintain(table, {now_.micros + 400 * day}).rows, 0U);  // the policy's work
  EXPECT_EQ(sql("SELECT count(*) FROM plant.hyper"), "1");
  sql("CREATE TABLE plain (ts timestamptz, n bigint, UNIQUE (n, ts))");
  table.name = "plain";
  plan = sink_->plan(table);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("migrate_data => true")));
}

TEST_F(PostgresStorage, ADistributedTableIsMadeWhereCitusIs) {
  const StandIn extension("citus", citus);
  ASSERT_TRUE(extension.written()) << "needs to write to the server's extension directory";
  sql("CREATE EXTENSION citus");
  Table table = parted();
  table.storage.partition.reset();
  table.storage.distributed = "n";
  store(table, now_, 1);
  EXPECT_EQ(sql("SELECT logicalrelid, partkey FROM pg_dist_partition"), "parted|n");
  EXPECT_THAT(lane_->take_notes(), IsEmpty());
  EXPECT_TRUE(lane_->ensure(table));
}

}  // namespace
}  // namespace rowgate::storage
