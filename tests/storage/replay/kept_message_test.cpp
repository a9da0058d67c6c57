// Kept messages read back: filters, pages, ids; on both databases.
#include "storage/replay/kept_message.hpp"

#include "storage/replay/kept_sql.hpp"
#include "tests/storage/replay/replay_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::catalog;
using test::meter_mapping;
using test::strict;
using testing::ElementsAre;

class KeptMessages : public test::ReplayTest {
 protected:
  std::vector<std::string> topics(const KeptFilter& filter, std::size_t limit = 100) {
    const auto found = list_kept(*sink_, Kept::dead_letters, filter, limit);
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::string> all;
    if (found)
      for (const KeptMessage& message : *found) all.push_back(message.topic);
    return all;
  }
  KeptFilter by_topic(const std::string& filter) {
    KeptFilter by;
    by.topic = filter;
    return by;
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, KeptMessages, testing::Values("sqlite", "postgres"),
                         [](const auto& of) { return std::string(of.param); });

const std::string any_topic = R"(
[[mapping]]
name = "any"
topic = "#"
table = "t"
[mapping.columns]
n = { from = "/n", type = "bigint" }
)";

TEST_P(KeptMessages, ATopicFilterTakesWhatASubscriptionWould) {
  drain(catalog(any_topic), {{"a", "x"},
                             {"a/b", "x"},
                             {"a/b/c", "x"},
                             {"A/b", "x"},
                             {"a_b/c", "x"},
                             {"a%/c*?[x]", "x"},
                             {"/a", "x"},
                             {"a'b\\c", "x"}});
  EXPECT_THAT(topics(by_topic("a/#")), ElementsAre("a/b/c", "a/b", "a"));
  EXPECT_THAT(topics(by_topic("a/+")), ElementsAre("a/b"));
  EXPECT_THAT(topics(by_topic("+/+/c")), ElementsAre("a/b/c"));
  EXPECT_THAT(topics(by_topic("+/c")), ElementsAre("a_b/c"));
  EXPECT_THAT(topics(by_topic("a_b/c")), ElementsAre("a_b/c"));
  EXPECT_THAT(topics(by_topic("a%/c*?[x]")), ElementsAre("a%/c*?[x]"));
  EXPECT_THAT(topics(by_topic("a%/+")), ElementsAre("a%/c*?[x]"));
  EXPECT_THAT(topics(by_topic("+/a")), ElementsAre("/a"));
  EXPECT_THAT(topics(by_topic("a'b\\c")), ElementsAre("a'b\\c"));
  EXPECT_THAT(topics(by_topic("#")), testing::SizeIs(8));
}

TEST_P(KeptMessages, PagesFollowEachOtherWithoutGapOrDouble) {
  std::vector<Sent> sent;
  for (int i = 0; i < 1300; ++i) sent.push_back({fmt::format("t/{}/{}", i % 2, i), "x"});
  drain(catalog(any_topic), sent);
  std::set<std::string> seen;
  KeptFilter filter = by_topic("t/1/+");
  for (;;) {
    const auto page = list_kept(*sink_, Kept::dead_letters, filter, 100);
    ASSERT_TRUE(page) << page.error().message;
    if (page->empty()) break;
    for (const KeptMessage& message : *page) EXPECT_TRUE(seen.insert(message.topic).second);
    filter.before = page->back().id;
  }
  EXPECT_EQ(seen.size(), 650U);
}

TEST_P(KeptMessages, OneIsFoundByItsIdWithAllItHas) {
  drain(catalog(any_topic), {{"a", std::string(1000, 'x')}, {"b", std::string("\x00\x01", 2)}});
  const auto all = list_kept(*sink_, Kept::dead_letters, {}, 10);
  ASSERT_TRUE(all && all->size() == 2);
  EXPECT_EQ((*all)[1].payload, std::string(200, 'x'));
  EXPECT_TRUE((*all)[1].cut);
  EXPECT_EQ((*all)[0].payload, std::string("\x00\x01", 2));
  const auto found = find_kept(*sink_, Kept::dead_letters, (*all)[1].id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->payload.size(), 1000U);
  EXPECT_EQ((*found)->mapping, "any");
  EXPECT_EQ((*found)->client_id, "device-1");
  EXPECT_EQ((*found)->position, 1U);
  EXPECT_EQ(to_iso8601((*found)->received_at), "2023-11-14T22:13:21.000001Z");
  EXPECT_FALSE(*find_kept(*sink_, Kept::dead_letters, 999'999));
  EXPECT_FALSE(*find_kept(*sink_, Kept::unmapped, 1));
}

TEST_P(KeptMessages, TimesAndMappingsAreFiltersToo) {
  drain(catalog(meter_mapping(strict) + R"(
[[mapping]]
name = "it's"
topic = "+/a"
table = "t"
[mapping.columns]
n = { from = "/n", type = "bigint" }
)"),
        {{"meter/a", "x"}, {"meter/b", "x"}});
  KeptFilter filter;
  filter.mapping = "it's";
  EXPECT_THAT(topics(filter), ElementsAre("meter/a"));
  filter = {};
  filter.since = Timestamp{1'700'000'000'000'000 + 2'000'002};
  EXPECT_THAT(topics(filter), ElementsAre("meter/b"));
  filter.until = filter.since;
  EXPECT_THAT(topics(filter), ElementsAre());
}

TEST(TopicFilters, SayWhatIsWrong) {
  EXPECT_FALSE(wrong_topic_filter(""));
  EXPECT_FALSE(wrong_topic_filter("a/+/#"));
  EXPECT_TRUE(wrong_topic_filter("a/{device}"));
  EXPECT_TRUE(wrong_topic_filter("a/#/b"));
  EXPECT_TRUE(wrong_topic_filter("a+"));
  EXPECT_TRUE(wrong_topic_filter("\xff"));
}

TEST(KeptIds, OfPostgresArePlacesInTheTable) {
  const KeptSql sql(Dialect::postgres, Kept::dead_letters);
  EXPECT_EQ(sql.parse_id("(0,1)"), 1U);
  EXPECT_EQ(sql.parse_id("(3,17)"), 3U * 65536 + 17);
  EXPECT_EQ(sql.id_literal(3 * 65536 + 17), "'(3,17)'::tid");
  for (const char* wrong : {"", "1", "(1)", "(1,)", "(1,2", "(1,70000)"})
    EXPECT_FALSE(sql.parse_id(wrong)) << wrong;
}

}  // namespace
}  // namespace rowgate::storage
