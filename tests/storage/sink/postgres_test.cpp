// What only PostgreSQL has: SQLSTATEs, integer widths, deferred constraints, many writers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "storage/sink/postgres/copy_binary.hpp"
#include "storage/sink/postgres/outcome.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using schema::RowBatch;
using schema::Table;
using schema::Type;
using schema::Value;
using testing::HasSubstr;

class PostgresSink : public testing::Test {
 protected:
  void SetUp() override {
    url_ = server_.new_database();
    sink_ = postgres::make_sink(url_);
    lane_ = sink_->lane(Lane{0});
  }
  std::string sql(const std::string& text) { return server_.sql(test::database_of(url_), text); }
  void open() {
    const auto opened = lane_->open({"gw", "j", Lane{0}}, Position{0});
    ASSERT_TRUE(opened) << opened.error().message;
  }
  /// The error of inserting the batch in one piece under a savepoint; it is rolled back.
  SinkError refusal(const RowBatch& batch) {
    EXPECT_TRUE(lane_->ensure(batch.table()));
    EXPECT_TRUE(lane_->begin());
    const auto inserted = lane_->insert({&batch, 0, batch.rows()}, true);
    lane_->rollback();
    return inserted ? SinkError{CommitOutcome::committed, ""} : inserted.error();
  }
  SinkError open_error(const std::string& url) {
    const auto opened = postgres::make_sink(url)->lane({})->open({"gw", "j", Lane{0}}, {});
    return opened ? SinkError{CommitOutcome::committed, ""} : opened.error();
  }

  test::PostgresServer& server_ = test::PostgresServer::shared();
  std::string url_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<SinkLane> lane_;
};

const Table readings{"readings", {{"id", Type::bigint}, {"name", Type::text}}, {}, {}, ""};

RowBatch one_row(std::int64_t id, std::string_view name, const Table& table = readings) {
  RowBatch batch(table);
  const auto row = batch.add_row(0);
  row[0] = Value::of_bigint(id);
  row[1] = Value::of_bytes(Type::text, name);
  return batch;
}

TEST_F(PostgresSink, AMissingDatabaseIsFatalAtStartUp) {
  const SinkError error = open_error(server_.url("nowhere"));
  EXPECT_EQ(error.outcome, CommitOutcome::fatal);
  EXPECT_THAT(error.message, HasSubstr("database \"nowhere\" does not exist"));
  EXPECT_THAT(error.message, HasSubstr("create the database"));
}

TEST_F(PostgresSink, AnUnknownUserIsFatalAtStartUp) {
  std::string url = url_;
  url.replace(url.find("user=postgres"), 13, "user=nobody_here");
  EXPECT_EQ(open_error(url).outcome, CommitOutcome::fatal);
}

TEST_F(PostgresSink, MissingPrivilegesAreFatalAtStartUpAndSayWhatToGrant) {
  sql("CREATE ROLE weak LOGIN");
  std::string url = url_;
  url.replace(url.find("user=postgres"), 13, "user=weak");
  const SinkError error = open_error(url);
  sql("DROP ROLE weak");
  EXPECT_EQ(error.outcome, CommitOutcome::fatal);
  EXPECT_THAT(error.message, HasSubstr("GRANT CREATE ON SCHEMA"));
}

TEST_F(PostgresSink, NobodyListeningIsRetried) {
  const SinkError error = open_error("postgresql://u@127.0.0.1:1/db");
  EXPECT_EQ(error.outcome, CommitOutcome::retry);
  EXPECT_THAT(error.message, HasSubstr("127.0.0.1"));
}

TEST_F(PostgresSink, ADatabaseThatIsDroppedAfterwardsIsWaitedFor) {
  open();
  lane_->rollback();
  server_.sql("postgres", "DROP DATABASE " + test::database_of(url_) + " WITH (FORCE)");
  const auto again = lane_->open({"gw", "j", Lane{0}}, Position{0});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().outcome, CommitOutcome::retry);
}

TEST_F(PostgresSink, NarrowerIntegersTakeWhatFits) {
  open();
  sql("CREATE TABLE readings (id smallint, name varchar(3))");
  EXPECT_EQ(refusal(one_row(32767, "abc")).outcome, CommitOutcome::committed);
  const SinkError too_large = refusal(one_row(32768, "abc"));
  EXPECT_EQ(too_large.outcome, CommitOutcome::row_rejected);
  EXPECT_THAT(too_large.message, HasSubstr("column id"));
  EXPECT_EQ(refusal(one_row(1, "abcd")).outcome, CommitOutcome::row_rejected);
  EXPECT_EQ(refusal(one_row(1, "abc")).outcome, CommitOutcome::committed);
}

TEST_F(PostgresSink, TextThatTheDatabaseCannotHoldIsRefused) {
  open();
  EXPECT_EQ(refusal(one_row(1, std::string_view("a\0b", 3))).outcome, CommitOutcome::row_rejected);
  EXPECT_EQ(refusal(one_row(1, "\xff\xfe")).outcome, CommitOutcome::row_rejected);
}

TEST_F(PostgresSink, ADeferredConstraintIsFoundUnderTheSavepoint) {
  open();
  sql("CREATE TABLE owners (id bigint PRIMARY KEY); CREATE TABLE readings (id bigint REFERENCES "
      "owners DEFERRABLE INITIALLY DEFERRED, name text)");
  EXPECT_EQ(refusal(one_row(1, "a")).outcome, CommitOutcome::row_rejected);
  // Without a savepoint the commit says so.
  const RowBatch batch = one_row(1, "a");
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));
  const auto committed = lane_->commit(Position{0}, Position{9});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().outcome, CommitOutcome::row_rejected);
  EXPECT_EQ(sql("SELECT position FROM rowgate_checkpoint"), "0");
}

TEST_F(PostgresSink, AKeyTooLongForItsIndexIsRefused) {
  open();
  const Table keyed{"names", {{"id", Type::bigint}, {"name", Type::text}}, {"name"}, {}, ""};
  std::string name;  // does not compress
  for (unsigned i = 0, x = 1; i < 9000; ++i)
    name += static_cast<char>('!' + (x = x * 48271 % 2147483647) % 90);
  EXPECT_EQ(refusal(one_row(1, name, keyed)).outcome, CommitOutcome::row_rejected);
}

TEST_F(PostgresSink, TheTimeColumnGetsABrinIndex) {
  open();
  ASSERT_TRUE(lane_->ensure({"series", {{"ts", Type::timestamptz}}, {}, {}, "ts"}));
  EXPECT_EQ(
      sql("SELECT am.amname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am "
          "am ON am.oid = c.relam WHERE i.indrelid = 'series'::regclass"),
      "brin");
}

TEST_F(PostgresSink, GatewaysThatStartAtOnceDoNotRaceForTheTables) {
  constexpr int gateways = 6;
  std::vector<std::string> errors(gateways);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < gateways; ++i)
      threads.emplace_back([&, i] {
        const auto lane = sink_->lane(Lane{0});
        const auto opened = lane->open({"gw" + std::to_string(i), "j", Lane{0}}, {});
        auto fits = opened ? lane->ensure({"plant.t", {{"a", Type::text}}, {"a"}, {}, ""})
                           : SinkResult<void>(opened.error());
        if (fits)
          fits = lane->ensure({"plant.t", {{"a", Type::text}, {"b", Type::text}}, {"a"}, {}, ""});
        if (!fits) errors[static_cast<std::size_t>(i)] = fits.error().message;
      });
  }
  EXPECT_THAT(errors, testing::Each(""));
}

TEST_F(PostgresSink, ACommitUnderWayIsDecidedBeforeTheCheckpointIsRead) {
  open();
  const RowBatch batch = one_row(1, "a");
  ASSERT_TRUE(lane_->ensure(batch.table()));
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));  // holds the checkpoint's lock
  std::optional<SinkResult<Position>> seen;
  std::jthread other([&] { seen = sink_->lane(Lane{0})->open({"gw", "j", Lane{0}}, Position{0}); });
  while (sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'rowgate%' AND "
             "wait_event_type = 'Lock'") != "1") {
  }
  ASSERT_TRUE(lane_->commit(Position{0}, Position{77}));
  other.join();
  ASSERT_TRUE(*seen) << seen->error().message;
  EXPECT_EQ(**seen, Position{77});
}

TEST_F(PostgresSink, AnErrorBehindTheCommitLeavesItInDoubt) {
  // The commit's string of statements goes on with a look at the WAL, which fails here.
  sql("CREATE TABLE broken(); CREATE FUNCTION public.pg_current_wal_insert_lsn() RETURNS pg_lsn "
      "LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM broken) THEN RAISE EXCEPTION "
      "'cancelled' USING ERRCODE = '57014'; END IF; RETURN pg_catalog.pg_current_wal_insert_lsn(); "
      "END $$");
  const std::string alter = "ALTER DATABASE " + test::database_of(url_) + " SET ";
  sql(alter + "search_path = public, pg_catalog; " + alter + "synchronous_commit = off");
  open();
  const RowBatch batch = one_row(1, "a");
  ASSERT_TRUE(lane_->ensure(batch.table()));
  sql("INSERT INTO broken DEFAULT VALUES");
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));
  const auto done = lane_->commit(Position{0}, Position{77});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().outcome, CommitOutcome::in_doubt);
  sql("DELETE FROM broken");
  const auto found = lane_->open({"gw", "j", Lane{0}}, Position{0});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, Position{77});
}

TEST_F(PostgresSink, ATriggerThatDividesByZeroAtCommitIsNoOtherGateway) {
  sql("CREATE TABLE readings (id bigint, name text); CREATE FUNCTION boom() RETURNS trigger "
      "LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER "
      "boom AFTER INSERT ON readings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
      "boom()");
  open();
  const RowBatch batch = one_row(1, "a");
  ASSERT_TRUE(lane_->ensure(batch.table()));
  ASSERT_TRUE(lane_->begin());
  ASSERT_TRUE(lane_->insert({&batch, 0, 1}, false));
  const auto done = lane_->commit(Position{0}, Position{77});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().outcome, CommitOutcome::row_rejected) << done.error().message;
}

TEST(PostgresUrl, IsShownWithoutPasswordAndParameters) {
  EXPECT_EQ(postgres::without_secrets("postgresql://u:pw@h:5432/db?password=x"),
            "postgresql://u@h:5432/db");
  EXPECT_EQ(postgres::without_secrets("postgresql://u:p@w@h/db"), "postgresql://u@h/db");
  EXPECT_EQ(postgres::without_secrets("postgresql://u:p/w?x@h/db"), "postgresql://u@h/db");
  EXPECT_EQ(postgres::without_secrets("postgresql://h/db"), "postgresql://h/db");
  EXPECT_EQ(postgres::without_secrets("postgresql:///db?host=/run"), "postgresql:///db");
}

TEST(PostgresOutcome, NamesTheNextAction) {
  using postgres::outcome_of;
  for (const char* state : {"22001", "22P02", "23505", "23502", "54000", "P0001"})
    EXPECT_EQ(outcome_of(state, false), CommitOutcome::row_rejected) << state;
  for (const char* state : {"08006", "57P01", "57P03", "53300", "53100", "40001", "40P01", "55P03",
                            "57014", "42P01", "25006", "XX000", ""})
    EXPECT_EQ(outcome_of(state, true), CommitOutcome::retry) << state;
  for (const char* state : {"28P01", "28000", "3D000", "42501"}) {
    EXPECT_EQ(outcome_of(state, true), CommitOutcome::fatal) << state;
    EXPECT_EQ(outcome_of(state, false), CommitOutcome::retry) << state;
  }
}

}  // namespace
}  // namespace rowgate::storage
