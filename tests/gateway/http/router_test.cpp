#include "gateway/http/router.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace rowgate::http {
namespace {

using testing::HasSubstr;

Endpoints endpoints() {
  Endpoints made;
  made.live = [] { return Answer{true, "the journal takes records"}; };
  made.ready = [] { return Answer{false, "lane 0 has not reached the database yet"}; };
  made.metrics = [] { return std::string("# HELP m A number.\n# TYPE m gauge\nm 1\n"); };
  made.reload_mapping = [] { return Answer{true, "generation 2"}; };
  return made;
}

Reply ask(std::string_view method, std::string_view target, std::string_view origin = "") {
  return route({method, target, "gateway:8080", origin}, endpoints());
}

TEST(router, healthz_answers_200_while_live) {
  const Reply reply = ask("GET", "/healthz");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.body, "the journal takes records\n");
}

TEST(router, readyz_answers_503_with_the_reason_while_not_ready) {
  const Reply reply = ask("GET", "/readyz");
  EXPECT_EQ(reply.status, 503U);
  EXPECT_EQ(reply.body, "lane 0 has not reached the database yet\n");
}

TEST(router, metrics_have_the_media_type_of_the_prometheus_text_format) {
  const Reply reply = ask("GET", "/metrics");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(reply.body, HasSubstr("m 1\n"));
}

TEST(router, query_part_of_the_target_is_ignored) {
  EXPECT_EQ(ask("GET", "/healthz?verbose").status, 200U);
}

TEST(router, root_is_the_status_page) {
  const Reply reply = ask("GET", "/");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.type, "text/html; charset=utf-8");
  EXPECT_THAT(reply.body, HasSubstr("lane 0 has not reached the database yet"));
}

TEST(router, unknown_path_is_404_and_names_those_there_are) {
  const Reply reply = ask("GET", "/metric");
  EXPECT_EQ(reply.status, 404U);
  EXPECT_THAT(reply.body, HasSubstr("/metrics"));
}

TEST(router, post_to_a_page_is_405_with_the_allowed_methods) {
  const Reply reply = ask("POST", "/metrics");
  EXPECT_EQ(reply.status, 405U);
  EXPECT_EQ(reply.allow, "GET, HEAD");
}

TEST(router, get_of_reload_is_405_and_reloads_nothing) {
  int reloads = 0;
  Endpoints counting = endpoints();
  counting.reload_mapping = [&] {
    ++reloads;
    return Answer{};
  };
  const Reply reply = route({"GET", "/mapping/reload", "h", ""}, counting);
  EXPECT_EQ(reply.status, 405U);
  EXPECT_EQ(reply.allow, "POST");
  EXPECT_EQ(reloads, 0);
}

TEST(router, reload_that_is_refused_answers_400_with_the_errors) {
  Endpoints refusing = endpoints();
  refusing.reload_mapping = [] { return Answer{false, "plant.toml:3:1: unknown key"}; };
  const Reply reply = route({"POST", "/mapping/reload", "h", ""}, refusing);
  EXPECT_EQ(reply.status, 400U);
  EXPECT_EQ(reply.body, "plant.toml:3:1: unknown key\n");
}

TEST(router, reload_is_refused_to_a_page_of_another_site) {
  EXPECT_EQ(ask("POST", "/mapping/reload", "http://evil.example").status, 403U);
  EXPECT_EQ(ask("POST", "/mapping/reload", "null").status, 403U);
  EXPECT_EQ(ask("POST", "/mapping/reload", "http://gateway:8080").status, 200U);
  EXPECT_EQ(ask("POST", "/mapping/reload").status, 200U);
}

TEST(router, endpoint_that_throws_becomes_500_with_the_reason) {
  Endpoints throwing = endpoints();
  throwing.metrics = []() -> std::string { throw std::runtime_error("no numbers"); };
  const Reply reply = route({"GET", "/metrics", "h", ""}, throwing);
  EXPECT_EQ(reply.status, 500U);
  EXPECT_EQ(reply.body, "no numbers\n");
}

TEST(router, endpoint_that_is_not_set_is_404) {
  EXPECT_EQ(route({"GET", "/metrics", "h", ""}, {}).status, 404U);
  EXPECT_EQ(route({"POST", "/healthz", "h", ""}, {}).status, 405U);
}

}  // namespace
}  // namespace rowgate::http
