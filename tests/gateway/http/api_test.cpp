#include "gateway/http/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace rowgate::http {
namespace {

using testing::HasSubstr;

/// Every route answers with its name and its arguments.
ApiRoute echo(std::string_view method, std::string_view path, std::string name) {
  return {method, path, [name](const ApiRequest& asked) {
            std::string text = name;
            for (const std::string& argument : asked.arguments) text += " " + argument;
            return json_reply(text);
          }};
}

Api api(ApiAccess access) {
  return {std::move(access),
          {echo("GET", "/api/v1/things", "list"),
           echo("PUT", "/api/v1/things", "put"),
           echo("GET", "/api/v1/things/newest", "newest"),
           echo("GET", "/api/v1/things/{name}", "one"),
           echo("POST", "/api/v1/things/{name}/parts/{part}", "post"),
           {"GET", "/api/v1/throws",
            [](const ApiRequest&) -> Reply { throw std::runtime_error("out of order"); }},
           {"GET", "/api/v1/unset", {}}}};
}

Reply ask(std::string_view method, std::string_view target, std::string_view host = "localhost:80",
          std::string_view origin = "", ApiAccess access = {"", true},
          std::string_view authorization = "") {
  Request request{method, target, host, origin};
  request.authorization = authorization;
  return api(std::move(access)).answer(request);
}

TEST(api, route_is_found_by_path_and_method) {
  EXPECT_EQ(ask("GET", "/api/v1/things").body, "list\n");
  EXPECT_EQ(ask("HEAD", "/api/v1/things?x=1").body, "list\n");
  EXPECT_EQ(ask("PUT", "/api/v1/things").body, "put\n");
}

TEST(api, placeholder_takes_one_level_and_decodes_it) {
  EXPECT_EQ(ask("GET", "/api/v1/things/a%2Fb").body, "one a/b\n");
  EXPECT_EQ(ask("POST", "/api/v1/things/a/parts/7").body, "post a 7\n");
  EXPECT_EQ(ask("GET", "/api/v1/things/").status, 404U);
  EXPECT_EQ(ask("GET", "/api/v1/things/a/b").status, 404U);
}

TEST(api, first_route_that_fits_answers) {
  EXPECT_EQ(ask("GET", "/api/v1/things/newest").body, "newest\n");
}

TEST(api, unknown_path_is_404_in_json) {
  const Reply reply = ask("GET", "/api/v1/thing");
  EXPECT_EQ(reply.status, 404U);
  EXPECT_EQ(reply.type, "application/json");
  EXPECT_THAT(reply.body, HasSubstr("{\"error\":"));
}

TEST(api, other_method_is_405_with_all_that_the_path_takes) {
  const Reply reply = ask("DELETE", "/api/v1/things");
  EXPECT_EQ(reply.status, 405U);
  EXPECT_EQ(reply.allow, "GET, HEAD, PUT");
}

TEST(api, exception_is_500_and_an_unset_function_404) {
  EXPECT_EQ(ask("GET", "/api/v1/throws").status, 500U);
  EXPECT_THAT(ask("GET", "/api/v1/throws").body, HasSubstr("out of order"));
  EXPECT_EQ(ask("GET", "/api/v1/unset").status, 404U);
}

TEST(api, error_text_that_is_not_utf8_is_still_json) {
  EXPECT_EQ(json_error(400, "a\xff").body, "{\"error\":\"a\xef\xbf\xbd\"}\n");
}

TEST(api, without_a_token_changes_are_taken_on_a_loopback_address_only) {
  EXPECT_EQ(ask("PUT", "/api/v1/things", "gateway:80", "", {"", false}).status, 403U);
  EXPECT_THAT(ask("PUT", "/api/v1/things", "gateway:80", "", {"", false}).body,
              HasSubstr("http.token"));
  EXPECT_EQ(ask("GET", "/api/v1/things", "gateway:80", "", {"", false}).status, 200U);
  EXPECT_EQ(ask("PUT", "/api/v1/things", "127.0.0.1:80", "", {"", true}).status, 200U);
  EXPECT_EQ(ask("PUT", "/api/v1/things", "[::1]:80", "", {"", true}).status, 200U);
}

TEST(api, on_loopback_a_name_that_may_be_somebody_elses_is_refused) {
  EXPECT_EQ(ask("GET", "/api/v1/things", "rebound.example:80").status, 403U);
  EXPECT_EQ(ask("GET", "/api/v1/things", "").status, 403U);
  EXPECT_EQ(ask("GET", "/api/v1/things", "LOCALHOST").status, 200U);
}

TEST(api, page_of_another_site_changes_nothing) {
  EXPECT_EQ(ask("PUT", "/api/v1/things", "localhost:80", "http://evil.example").status, 403U);
  EXPECT_EQ(ask("PUT", "/api/v1/things", "localhost:80", "http://localhost:80").status, 200U);
  EXPECT_EQ(ask("PUT", "/api/v1/things", "h:80", "http://evil.example", {"secret", false},
                "Bearer secret")
                .status,
            403U);
}

TEST(api, with_a_token_everybody_needs_it) {
  const auto with = [](std::string_view authorization) {
    return ask("GET", "/api/v1/things", "gateway:80", "", {"secret", true}, authorization);
  };
  const Reply refused = with("");
  EXPECT_EQ(refused.status, 401U);
  EXPECT_TRUE(refused.challenge);
  for (const char* wrong : {"Bearer ", "Bearer secre", "Bearer secret2", "Bearer Secret",
                            "Basic secret", "secret", "Bearer secretsecret"}) {
    EXPECT_EQ(with(wrong).status, 401U) << wrong;
  }
  EXPECT_EQ(with("Bearer secret").status, 200U);
  EXPECT_EQ(with("bearer secret").status, 200U);
}

TEST(api, with_a_token_changes_are_taken_on_any_address) {
  EXPECT_EQ(
      ask("PUT", "/api/v1/things", "gateway:80", "", {"secret", false}, "Bearer secret").status,
      200U);
}

}  // namespace
}  // namespace rowgate::http
