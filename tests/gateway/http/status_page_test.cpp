#include "gateway/http/status_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http/prometheus.hpp"

namespace rowgate::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(status_page, shows_the_ledger_before_the_other_numbers) {
  MetricsText text;
  text.family("rowgate_connections", MetricType::gauge, "Clients connected now.");
  text.sample("rowgate_connections", {}, 12);
  text.family("rowgate_ledger_messages_total", MetricType::counter,
              "Messages by what became of them.");
  text.sample("rowgate_ledger_messages_total", {{"state", "stored"}}, 1234567);
  const std::string page = status_page({}, {}, text.take());
  EXPECT_LT(page.find("state=&quot;stored&quot;"), page.find("Clients connected now."));
  EXPECT_THAT(page, HasSubstr("1\u202f234\u202f567"));
  EXPECT_THAT(page, HasSubstr(">12<"));
}

TEST(status_page, says_why_it_is_not_ready) {
  const std::string page = status_page({true, ""}, {false, "lane 0 waits for the database"}, "");
  EXPECT_THAT(page, HasSubstr("Accepts publishes: no."));
  EXPECT_THAT(page, HasSubstr("lane 0 waits for the database"));
  EXPECT_THAT(page, HasSubstr("Healthy: yes."));
}

TEST(status_page, escapes_what_it_did_not_write_itself) {
  const std::string page = status_page({true, "<script>alert(1)</script>"}, {}, "");
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_EQ(escape_html("&\"'<>"), "&amp;&quot;&#39;&lt;&gt;");
}

TEST(status_page, without_numbers_has_no_table) {
  EXPECT_THAT(status_page({}, {}, ""), Not(HasSubstr("<table>")));
}

TEST(status_page, links_to_no_other_host) {
  const std::string page = status_page({}, {}, "");
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
}

}  // namespace
}  // namespace rowgate::http
