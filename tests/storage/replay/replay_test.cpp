// Dead letters and unmapped messages through today's mapping, on both databases.
#include "storage/replay/replay.hpp"

#include <thread>

#include "tests/storage/replay/replay_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::catalog;
using test::lenient;
using test::meter_mapping;
using test::strict;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::Pair;

class Replay : public test::ReplayTest {};
INSTANTIATE_TEST_SUITE_P(Databases, Replay, testing::Values("sqlite", "postgres"),
                         [](const auto& of) { return std::string(of.param); });

const std::string checkpoints = "SELECT gateway, position FROM rowgate_checkpoint";

TEST_P(Replay, DeadLettersBecomeRowsOnceTheMappingFits) {
  drain(
      catalog(meter_mapping(strict)),
      {{"meter/a", R"({"kwh": 1.5})"}, {"meter/b", R"({"n": 2})"}, {"meter/c", R"({"kwh": "x"})"}});
  EXPECT_EQ(count("rowgate_dead_letter"), "2");
  const std::string before = rows(checkpoints);
  const auto report = replay(catalog(meter_mapping(lenient)));
  EXPECT_EQ(report.messages, 2U);
  EXPECT_EQ(report.stored, 1U);
  EXPECT_EQ(report.refused, 1U);
  EXPECT_EQ(report.rows, 1U);
  EXPECT_EQ(rows("SELECT device, kwh FROM meters ORDER BY device"), "a,1.5 b,2");
  EXPECT_EQ(rows("SELECT topic FROM rowgate_dead_letter"), "meter/c");
  EXPECT_EQ(rows(checkpoints), before);
  EXPECT_EQ(replay(catalog(meter_mapping(lenient))).rows, 0U);
  EXPECT_EQ(count("meters"), "2");
}

TEST_P(Replay, TheMessageIsTheOneThatCame) {
  std::string properties("\x26\x00\x01k\x00\x01v", 7);
  drain(catalog(meter_mapping(strict)), {{"meter/it's", R"({"kwh": "\\ü"})", properties},
                                         {"meter/raw", std::string("\x00\xff\n", 3)}});
  const auto report = replay(catalog(R"(
[[mapping]]
name = "meter"
topic = "meter/{device}"
table = "raw"
payload = "raw"
[mapping.columns]
device = { topic = "device" }
body = { from = "", type = "bytea" }
key = { meta = "user_property:k" }
client = { meta = "client_id" }
qos = { meta = "qos", type = "bigint" }
)"));
  EXPECT_EQ(report.stored, 2U);
  EXPECT_EQ(rows("SELECT device, body, key, client, qos FROM raw ORDER BY ts"),
            "it's,\\x7b226b7768223a20225c5cc3bc227d,v,device-1,1 "
            "raw,\\x00ff0a,NULL,device-1,1");
  const std::string time =
      postgres() ? "to_char(min(ts) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                 : "min(ts)";
  EXPECT_EQ(rows("SELECT " + time + " FROM raw"), "2023-11-14T22:13:21.000001Z");
}

TEST_P(Replay, WhatStillDoesNotFitStaysWithTodaysReason) {
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": "high"})"}});
  EXPECT_THAT(rows("SELECT reason FROM rowgate_dead_letter"), HasSubstr("no /n"));
  const auto report = replay(catalog(meter_mapping(lenient)));
  EXPECT_EQ(report.refused, 1U);
  const std::string reason = rows("SELECT reason FROM rowgate_dead_letter");
  EXPECT_THAT(reason, HasSubstr("high"));
  EXPECT_THAT(report.reasons, ElementsAre(Pair(reason, 1U)));
  EXPECT_EQ(rows("SELECT mapping, position FROM rowgate_dead_letter"), "meter,1");
}

TEST_P(Replay, OnlyTheMappingOfTheDeadLetterTakesIt) {
  const std::string log = R"(
[[mapping]]
name = "log"
topic = "meter/#"
table = "log"
payload = "raw"
[mapping.columns]
body = { from = "", type = "bytea" }
)";
  drain(catalog(meter_mapping(strict) + log), {{"meter/a", R"({"kwh": 1.5})"}});
  EXPECT_EQ(count("log"), "1");
  replay(catalog(meter_mapping(lenient) + log));
  EXPECT_EQ(count("log"), "1");
  EXPECT_EQ(count("meters"), "1");
}

TEST_P(Replay, AMappingThatIsGoneOrWantsOtherTopicsLeavesItAndSaysSo) {
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": 1.5})"}});
  const std::string other = R"(
[[mapping]]
name = "energy"
topic = "meter/+"
table = "energy"
[mapping.columns]
kwh = { from = "/kwh", type = "double" }
)";
  auto report = replay(catalog(other));
  EXPECT_EQ(report.untaken, 1U);
  EXPECT_THAT(report.reasons, ElementsAre(Key("mapping 'meter' is not there any more")));
  EXPECT_EQ(count("rowgate_dead_letter"), "1");
  report = replay(catalog(R"(
[[mapping]]
name = "meter"
topic = "meters/+"
table = "meters"
[mapping.columns]
kwh = { from = "/kwh", type = "double" }
)"));
  EXPECT_THAT(report.reasons, ElementsAre(Key("mapping 'meter' does not take the topic any more")));
  report = replay(catalog(other), {.instead = "energy"});
  EXPECT_EQ(report.stored, 1U);
  EXPECT_EQ(rows("SELECT kwh FROM energy"), "1.5");
  EXPECT_EQ(count("rowgate_dead_letter"), "0");
}

constexpr std::string_view many = "rows = \"/m\"";

TEST_P(Replay, OfAMessageOfManyRowsOnlyTheRefusedOnesAreStored) {
  const std::string payload = R"({"m": [{"n": 1}, {"kwh": 1.5}, {"kwh": "x"}, {"n": 3}]})";
  drain(catalog(meter_mapping(strict, many)), {{"meter/a", payload}});
  EXPECT_EQ(rows("SELECT rows FROM rowgate_dead_letter"), "1-2");
  EXPECT_EQ(rows("SELECT kwh FROM meters ORDER BY kwh"), "1 3");
  const auto report = replay(catalog(meter_mapping(lenient, many)));
  EXPECT_EQ(report.partly, 1U);
  EXPECT_EQ(report.rows, 1U);
  EXPECT_EQ(rows("SELECT kwh FROM meters ORDER BY kwh"), "1 1.5 3");
  EXPECT_EQ(rows("SELECT rows FROM rowgate_dead_letter"), "2");
}

TEST_P(Replay, WhatTheDatabaseRefusesStaysAndTheRestIsStored) {
  change("CREATE TABLE meters (ts " + std::string(postgres() ? "timestamptz" : "TEXT") +
         ", device text, kwh double precision CHECK (kwh < 100))");
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": 1.5})"},
                                         {"meter/b", R"({"kwh": 100.5})"},
                                         {"meter/c", R"({"kwh": 2.5})"}});
  const auto report = replay(catalog(meter_mapping(lenient)));
  EXPECT_EQ(report.stored, 2U);
  EXPECT_EQ(report.refused, 1U);
  EXPECT_EQ(rows("SELECT device, kwh FROM meters ORDER BY device"), "a,1.5 c,2.5");
  EXPECT_EQ(rows("SELECT topic FROM rowgate_dead_letter"), "meter/b");
  EXPECT_THAT(rows("SELECT reason FROM rowgate_dead_letter"),
              AnyOf(HasSubstr("check"), HasSubstr("CHECK")));
}

TEST_P(Replay, TheRowsThatTheDatabaseRefusesAreFound) {
  change("CREATE TABLE meters (ts " + std::string(postgres() ? "timestamptz" : "TEXT") +
         ", device text, kwh double precision CHECK (kwh < 100))");
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"m": [{"kwh": 1}, {"kwh": 200},
    {"kwh": "x"}, {"kwh": 4}, {"kwh": 500}, {"kwh": 600}, {"kwh": 7}]})"}});
  EXPECT_EQ(rows("SELECT rows FROM rowgate_dead_letter"), "NULL");
  const auto report = replay(catalog(meter_mapping(lenient, many)));
  EXPECT_EQ(report.partly, 1U);
  EXPECT_EQ(report.rows, 3U);
  EXPECT_EQ(rows("SELECT kwh FROM meters ORDER BY kwh"), "1 4 7");
  EXPECT_EQ(rows("SELECT rows FROM rowgate_dead_letter"), "1-2,4-5");
  // Once more: nothing new, nothing twice.
  EXPECT_EQ(replay(catalog(meter_mapping(lenient, many))).rows, 0U);
  EXPECT_EQ(count("meters"), "3");
  change("UPDATE rowgate_dead_letter SET rows = '4'");
  EXPECT_EQ(replay(catalog(meter_mapping(lenient, many))).refused, 1U);
  EXPECT_EQ(rows("SELECT rows FROM rowgate_dead_letter"), "4");
}

TEST_P(Replay, AllOrNothingHoldsAgainstTheDatabaseToo) {
  change("CREATE TABLE meters (ts " + std::string(postgres() ? "timestamptz" : "TEXT") +
         ", device text, kwh double precision CHECK (kwh < 100))");
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"m": [{"kwh": 1}, {"kwh": 200}]})"}});
  const auto report =
      replay(catalog(meter_mapping(lenient, "rows = \"/m\"\nrows_on_error = \"all_or_nothing\"")));
  EXPECT_EQ(report.refused, 1U);
  EXPECT_EQ(count("meters"), "0");
}

TEST_P(Replay, ATableThatCannotTakeTheRowsLeavesThemWithTheReason) {
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": 1.5})"}});
  change("CREATE TABLE meters (ts " + std::string(postgres() ? "timestamptz" : "TEXT") +
         ", device text, kwh " + (postgres() ? "boolean" : "text") + ")");
  const auto report = replay(catalog(meter_mapping(lenient)));
  EXPECT_EQ(report.refused, 1U);
  EXPECT_THAT(rows("SELECT reason FROM rowgate_dead_letter"), HasSubstr("column kwh"));
}

TEST_P(Replay, ColumnsThatOnlyTheMessagesNameAreAdded) {
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": 1.5, "v": 230.5, "on": true})"}});
  const auto report = replay(catalog(R"(
[[mapping]]
name = "meter"
topic = "meter/{device}"
table = "meters"
columns = "auto"
)"));
  EXPECT_EQ(report.stored, 1U);
  EXPECT_EQ(rows("SELECT kwh, v FROM meters"), "1.5,230.5");
}

TEST_P(Replay, UnmappedMessagesGoThroughEveryMappingThatTakesThemNow) {
  drain(catalog(R"(
[[mapping]]
name = "other"
topic = "other/#"
table = "other"
columns = "auto"
)"),
        {{"meter/a", R"({"n": 1})"}, {"meter/b", R"({"kwh": 1.5})"}, {"x/y", "1"}});
  EXPECT_EQ(count("rowgate_unmapped"), "3");
  const auto report = replay(catalog(meter_mapping(strict) + R"(
[[mapping]]
name = "log"
topic = "meter/#"
table = "log"
payload = "raw"
[mapping.columns]
body = { from = "", type = "bytea" }
)"),
                             {.kept = Kept::unmapped});
  EXPECT_EQ(report.messages, 3U);
  EXPECT_EQ(report.stored, 1U);
  EXPECT_EQ(report.partly, 1U);
  EXPECT_EQ(report.untaken, 1U);
  EXPECT_EQ(report.rows, 3U);
  EXPECT_EQ(count("log"), "2");
  EXPECT_EQ(rows("SELECT device FROM meters"), "a");
  EXPECT_EQ(rows("SELECT topic FROM rowgate_unmapped"), "x/y");
  EXPECT_EQ(rows("SELECT topic, mapping, position FROM rowgate_dead_letter"), "meter/b,meter,2");
}

TEST_P(Replay, FiltersLimitsAndContinuesWhereItLeftOff) {
  std::vector<Sent> sent;
  for (int i = 0; i < 30; ++i)
    sent.push_back({fmt::format("meter/{}", i % 3 == 0 ? "a" : "b"), R"({"kwh": 1.5})"});
  drain(catalog(meter_mapping(strict)), sent);
  const auto fits = catalog(meter_mapping(lenient));
  ReplayOptions options;
  options.filter.topic = "+/a";
  options.filter.since = Timestamp{1'700'000'000'000'000 + 4 * 1'000'001};  // not the first
  EXPECT_EQ(replay(fits, options).stored, 9U);
  options = {};
  options.limit = 7;
  options.dry_run = true;
  auto report = replay(fits, options);
  EXPECT_EQ(report.messages, 7U);
  EXPECT_TRUE(report.more);
  EXPECT_EQ(count("rowgate_dead_letter"), "21");
  options.filter.after = report.last;
  options.limit = 14;
  report = replay(fits, options);
  EXPECT_EQ(report.messages, 14U);
  EXPECT_FALSE(report.more);
  EXPECT_EQ(count("meters"), "9");
}

TEST_P(Replay, PagesAreSmallAndEachIsSettled) {
  std::vector<Sent> sent;
  for (int i = 0; i < 57; ++i) sent.push_back({"meter/a", i % 2 ? R"({"kwh": 1.5})" : "x"});
  drain(catalog(meter_mapping(strict)), sent);
  ReplayOptions options;
  options.page_messages = 10;
  int pages = 0;
  options.go_on = [&] { return ++pages < 3; };
  auto report = replay(catalog(meter_mapping(lenient)), options);
  EXPECT_EQ(report.messages, 30U);
  EXPECT_TRUE(report.more);
  EXPECT_EQ(count("meters"), "15");
  options.go_on = {};
  report = replay(catalog(meter_mapping(lenient)), options);
  EXPECT_EQ(report.messages, 42U);  // what stayed has its turn again, once
  EXPECT_EQ(count("meters"), "28");
  EXPECT_EQ(count("rowgate_dead_letter"), "29");
}

TEST_P(Replay, TwoAtOnceStoreEverythingOnce) {
  std::vector<Sent> sent;
  for (int i = 0; i < 400; ++i) sent.push_back({"meter/a", fmt::format(R"({{"kwh": {}.5}})", i)});
  drain(catalog(meter_mapping(strict)), sent);
  const auto fits = catalog(meter_mapping(lenient));
  ReplayOptions options;
  options.page_messages = 7;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const auto report = storage::replay(*sink_, fits, options);
      EXPECT_TRUE(report) << report.error().message;
    });
  }
  threads.clear();
  EXPECT_EQ(rows("SELECT count(*), count(DISTINCT kwh) FROM meters"), "400,400");
  EXPECT_EQ(count("rowgate_dead_letter"), "0");
}

TEST_P(Replay, AnOlderVersionsDeadLetterInPartIsNotStoredTwice) {
  drain(catalog(meter_mapping(strict, many)), {{"meter/a", R"({"m": [{"n": 1}, {"kwh": 1.5}]})"}});
  change("UPDATE rowgate_dead_letter SET rows = NULL");
  auto report = replay(catalog(meter_mapping(lenient, many)));
  EXPECT_EQ(report.untaken, 1U);
  EXPECT_THAT(report.reasons, ElementsAre(Key(HasSubstr("twice"))));
  EXPECT_EQ(count("rowgate_dead_letter"), "1");
}

TEST_P(Replay, ADatabaseMadeByAnOlderVersionGetsTheColumn) {
  drain(catalog(meter_mapping(strict)), {{"meter/a", R"({"kwh": 1.5})"}});
  change("ALTER TABLE rowgate_dead_letter DROP COLUMN rows");
  EXPECT_EQ(list_kept(*sink_, Kept::dead_letters, {}, 10)->size(), 1U);
  EXPECT_EQ(replay(catalog(meter_mapping(lenient))).stored, 1U);
}

TEST_P(Replay, PurgeRemovesWhatTheFilterTakesAndNothingElse) {
  drain(catalog(meter_mapping(strict)),
        {{"meter/a", "x"}, {"meter/b", "x"}, {"meter/a", "x"}, {"unmapped", "x"}});
  PurgeOptions options;
  options.filter.topic = "meter/a";
  options.dry_run = true;
  EXPECT_EQ(purge(*sink_, options)->messages, 2U);
  EXPECT_EQ(count("rowgate_dead_letter"), "3");
  options.dry_run = false;
  EXPECT_EQ(purge(*sink_, options)->messages, 2U);
  EXPECT_EQ(rows("SELECT topic FROM rowgate_dead_letter"), "meter/b");
  EXPECT_EQ(purge(*sink_, {.kept = Kept::unmapped})->messages, 1U);
  EXPECT_EQ(count("rowgate_unmapped"), "0");
  EXPECT_EQ(count("rowgate_dead_letter"), "1");
}

TEST(ReplayOfNothing, MakesNoDatabase) {
  const auto file = std::filesystem::temp_directory_path() / "rowgate-replay-of-nothing.db";
  const auto sink = sqlite::make_sink(file, sqlite::Synchronous::full);
  EXPECT_FALSE(replay(*sink, catalog(meter_mapping(strict)), {}));
  EXPECT_FALSE(purge(*sink, {}));
  EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace rowgate::storage
