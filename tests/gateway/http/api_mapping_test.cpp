#include "gateway/http/api_mapping.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rowgate::http {
namespace {

using nlohmann::json;
using Outcome = MappingChange::Outcome;

class api_mapping : public testing::Test {
 protected:
  Reply ask(std::string_view method, std::string target, std::string_view if_match = "",
            std::string_view body = "", std::string_view author = "") {
    target.insert(0, "/api/v1/mapping");
    Request request{method, target, "localhost:80", ""};
    request.if_match = if_match;
    request.body = body;
    request.author = author;
    request.peer = "127.0.0.1";
    return Api({"", true}, mapping_routes(endpoints)).answer(request);
  }
  static MappingVersion version(std::optional<std::int64_t> number) {
    return {number, {1'767'225'600'000'000}, "http", "Anna", "\"e\"", "text"};
  }

  MappingEndpoints endpoints;
};

TEST_F(api_mapping, get_is_the_text_with_its_etag) {
  endpoints.current = [] { return MappingText{"# nothing\n", "\"abc\""}; };
  const Reply reply = ask("GET", "");
  EXPECT_EQ(reply.body, "# nothing\n");
  EXPECT_EQ(reply.etag, "\"abc\"");
  EXPECT_EQ(reply.type, "text/plain; charset=utf-8");
}

TEST_F(api_mapping, put_passes_on_text_tag_author_and_strictness) {
  endpoints.apply = [](std::string text, std::string_view tag, std::string who, bool strict) {
    EXPECT_EQ(text, "new");
    EXPECT_EQ(tag, "\"abc\"");
    EXPECT_EQ(who, "Anna (127.0.0.1)");
    EXPECT_TRUE(strict);
    MappingChange change;
    change.etag = "\"def\"";
    change.version = 7;
    return change;
  };
  const Reply reply = ask("PUT", "?strict", "\"abc\"", "new", "Anna");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.etag, "\"def\"");
  EXPECT_EQ(json::parse(reply.body)["version"], 7);
}

TEST_F(api_mapping, put_without_if_match_is_428_and_changes_nothing) {
  endpoints.apply = [](auto&&...) -> MappingChange { throw std::logic_error("was called"); };
  EXPECT_EQ(ask("PUT", "", "", "new").status, 428U);
}

TEST_F(api_mapping, each_outcome_has_its_status) {
  for (const auto& [outcome, status] : {std::pair(Outcome::stale, 412U),
                                        {Outcome::refused, 422U},
                                        {Outcome::no_file, 409U},
                                        {Outcome::unknown, 404U},
                                        {Outcome::not_written, 500U},
                                        {Outcome::database_away, 503U}}) {
    endpoints.rollback = [outcome = outcome](std::int64_t, std::string) {
      MappingChange change;
      change.outcome = outcome;
      change.message = "because";
      return change;
    };
    const Reply reply = ask("POST", "/rollback/3");
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(json::parse(reply.body)["error"], "because");
  }
}

TEST_F(api_mapping, errors_have_line_column_message_and_hint) {
  endpoints.validate = [](const std::string&) {
    MappingChange change;
    change.outcome = Outcome::refused;
    change.errors = {{3, 9, "unknown key 'form'", "did you mean 'from'?"}, {0, 0, "empty", ""}};
    return change;
  };
  const Reply reply = ask("POST", "/validate", "", "x");
  EXPECT_EQ(reply.status, 422U);
  EXPECT_EQ(json::parse(reply.body)["errors"],
            json::parse(R"([{"line":3,"column":9,"message":"unknown key 'form'",
                            "hint":"did you mean 'from'?"},
                           {"line":0,"column":0,"message":"empty"}])"));
}

TEST_F(api_mapping, history_is_listed_without_texts_and_what_waits_has_no_number) {
  endpoints.history = [](std::int64_t before, std::size_t limit) {
    EXPECT_EQ(before, 9);
    EXPECT_EQ(limit, 2U);
    return HistoryResult<std::vector<MappingVersion>>(
        std::vector{version(std::nullopt), version(8)});
  };
  const json list = json::parse(ask("GET", "/history?before=9&limit=2").body)["versions"];
  ASSERT_EQ(list.size(), 2U);
  EXPECT_TRUE(list[0]["version"].is_null());
  EXPECT_EQ(list[1]["version"], 8);
  EXPECT_EQ(list[1]["applied_at"], "2026-01-01T00:00:00.000000Z");
  EXPECT_FALSE(list[1].contains("text"));
  EXPECT_EQ(ask("GET", "/history?limit=0").status, 400U);
}

TEST_F(api_mapping, one_version_comes_with_its_text) {
  endpoints.version = [](std::int64_t number) {
    return HistoryResult<std::optional<MappingVersion>>(number == 8 ? std::optional(version(8))
                                                                    : std::nullopt);
  };
  EXPECT_EQ(json::parse(ask("GET", "/history/8").body)["text"], "text");
  EXPECT_EQ(ask("GET", "/history/9").status, 404U);
  EXPECT_EQ(ask("GET", "/history/x").status, 404U);
  EXPECT_EQ(ask("GET", "/history/0").status, 404U);
}

TEST_F(api_mapping, database_that_does_not_answer_is_503) {
  endpoints.version = [](std::int64_t) {
    return HistoryResult<std::optional<MappingVersion>>(HistoryError{"away"});
  };
  EXPECT_EQ(ask("GET", "/history/8").status, 503U);
}

}  // namespace
}  // namespace rowgate::http
