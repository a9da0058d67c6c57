#include "gateway/cli/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "gateway/cli/version.hpp"
#include "gateway/config/options.hpp"

namespace rowgate::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

struct Parsed {
  std::optional<CommandLine> command;
  int exit_code = -1;
  std::string out;
  std::string err;
};

Parsed parsed(const std::vector<std::string>& arguments) {
  Parsed result;
  std::ostringstream out;
  std::ostringstream err;
  result.command = parse(arguments, out, err, result.exit_code);
  result.out = out.str();
  result.err = err.str();
  return result;
}

CommandLine command(const std::vector<std::string>& arguments) {
  Parsed result = parsed(arguments);
  if (!result.command) throw std::runtime_error(result.err + result.out);
  return *result.command;
}

TEST(command_line, serve_without_flags_overrides_nothing) {
  const CommandLine serve = command({"serve"});
  EXPECT_EQ(serve.verb, Verb::serve);
  EXPECT_EQ(serve.config_file, "");
  EXPECT_TRUE(serve.overrides.empty());
}

TEST(command_line, serve_flags_set_the_options_they_are_named_for) {
  const CommandLine serve =
      command({"serve", "--config", "r.toml", "--mapping", "m.toml", "--data-dir", "d", "--mqtt",
               "[::1]:1", "--http=h:2", "--sink", "sqlite:x", "--log-level", "debug"});
  EXPECT_EQ(serve.config_file, "r.toml");
  EXPECT_THAT(serve.overrides, testing::UnorderedElementsAre(
                                   Pair("mapping", "m.toml"), Pair("data_dir", "d"),
                                   Pair("mqtt.listen", "[::1]:1"), Pair("http.listen", "h:2"),
                                   Pair("sink", "sqlite:x"), Pair("log.level", "debug")));
}

TEST(command_line, serve_takes_every_flag_of_the_option_table) {
  const std::string help = parsed({"serve", "--help"}).out;
  for (const config::Option& option : config::options()) {
    if (option.flag.empty()) continue;
    EXPECT_THAT(help, HasSubstr(std::string(option.flag) + " "));
    EXPECT_THAT(command({"serve", std::string(option.flag), "v"}).overrides,
                ElementsAre(Pair(std::string(option.name), "v")));
  }
}

TEST(command_line, verbs_that_look_take_the_flags_that_say_where) {
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{"check"},
                                             {"explain", "t"},
                                             {"query", "SELECT 1"},
                                             {"journal", "info"},
                                             {"journal", "verify"},
                                             {"journal", "dump"}}) {
    for (const char* flag : {"--mapping", "--data-dir", "--sink"}) {
      auto arguments = verb;
      arguments.insert(arguments.end(), {flag, "v"});
      EXPECT_EQ(command(arguments).overrides.size(), 1U) << verb.back() << flag;
    }
  }
}

TEST(command_line, explain_takes_topic_payload_and_what_the_publisher_was) {
  const auto explain =
      command({"explain", "a/b", "{}", "--client-id", "c", "--qos", "2", "--retain"}).explain;
  EXPECT_EQ(explain.topic, "a/b");
  EXPECT_EQ(explain.payload, "{}");
  EXPECT_EQ(explain.client_id, "c");
  EXPECT_EQ(explain.qos, 2U);
  EXPECT_TRUE(explain.retain);
}

TEST(command_line, payload_may_be_a_hyphen_or_follow_two) {
  EXPECT_EQ(command({"explain", "t", "-"}).explain.payload, "-");
  EXPECT_EQ(command({"explain", "t", "--", "-5"}).explain.payload, "-5");
}

TEST(command_line, format_is_one_of_three_words) {
  EXPECT_EQ(command({"query", "SELECT 1"}).format, Format::table);
  EXPECT_EQ(command({"query", "SELECT 1", "--format", "csv"}).format, Format::csv);
  EXPECT_EQ(command({"journal", "dump", "--format", "json"}).format, Format::json);
  EXPECT_EQ(parsed({"query", "SELECT 1", "--format", "xml"}).exit_code, 2);
}

TEST(command_line, dead_letters_and_unmapped_messages_share_their_verbs) {
  const auto replay = command({"deadletter", "replay", "--of", "m", "--topic", "a/#", "--since",
                               "2 h", "--limit", "5", "--to", "n", "--dry-run"});
  EXPECT_EQ(replay.verb, Verb::kept_replay);
  EXPECT_FALSE(replay.kept.unmapped);
  EXPECT_EQ(replay.kept.mapping, "m");
  EXPECT_EQ(replay.kept.topic, "a/#");
  EXPECT_EQ(replay.kept.since, "2 h");
  EXPECT_EQ(replay.kept.limit, 5U);
  EXPECT_EQ(replay.kept.to, "n");
  EXPECT_TRUE(replay.kept.dry_run);
  const auto show = command({"unmapped", "show", "17", "--mapping", "plant.toml"});
  EXPECT_EQ(show.verb, Verb::kept_show);
  EXPECT_TRUE(show.kept.unmapped);
  EXPECT_EQ(show.kept.id, 17U);
  EXPECT_TRUE(command({"unmapped", "purge", "--all"}).kept.all);
}

TEST(command_line, journal_dump_takes_a_range) {
  const auto dump = command({"journal", "dump", "--from", "18446744073709551615", "--limit", "3"});
  EXPECT_EQ(dump.verb, Verb::journal_dump);
  EXPECT_EQ(dump.journal.from, 18446744073709551615U);
  EXPECT_EQ(dump.journal.limit, 3U);
}

TEST(command_line, user_add_takes_a_name_and_any_number_of_roles) {
  const auto add = command({"user", "add", "ann", "--role", "a", "--role", "b", "--users", "f"});
  EXPECT_EQ(add.verb, Verb::user_add);
  EXPECT_EQ(add.user.name, "ann");
  EXPECT_THAT(add.user.roles, ElementsAre("a", "b"));
  EXPECT_THAT(add.overrides, ElementsAre(Pair("security.users", "f")));
  EXPECT_TRUE(command({"user", "roles", "ann"}).user.roles.empty());
  EXPECT_EQ(command({"user", "list", "--format", "json"}).format, Format::json);
  EXPECT_EQ(parsed({"user", "add", "--role", "a", "ann"}).command->user.name, "ann");
}

TEST(command_line, wrong_usage_leaves_with_2_and_says_what_is_wrong) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"serve", "--nonsense"},
                                             {"serve", "surplus"},
                                             {"explain"},
                                             {"query"},
                                             {"journal"},
                                             {"journal", "mend"},
                                             {"user"},
                                             {"user", "add"},
                                             {"explain", "t", "--qos", "3"},
                                             {"journal", "dump", "--from", "-1"}}) {
    const Parsed result = parsed(arguments);
    EXPECT_FALSE(result.command);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_FALSE(result.err.empty());
    EXPECT_TRUE(result.out.empty());
  }
  EXPECT_THAT(parsed({"serve", "--nonsense"}).err, HasSubstr("--nonsense"));
}

TEST(command_line, unknown_verb_is_named_with_the_nearest_one) {
  EXPECT_EQ(parsed({"sevre"}).err,
            "rowgate: there is no verb 'sevre' (did you mean 'serve'?); rowgate --help lists "
            "them\n");
  EXPECT_EQ(parsed({"journal", "mend"}).err,
            "rowgate journal: there is no verb 'mend'; rowgate journal --help lists them\n");
}

TEST(command_line, help_and_version_leave_with_0) {
  for (const char* verb :
       {"serve", "check", "explain", "query", "deadletter", "unmapped", "journal", "user"}) {
    const Parsed result = parsed({verb, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("--help"));
    EXPECT_THAT(parsed({"--help"}).out, HasSubstr(verb));
  }
  EXPECT_EQ(parsed({"--version"}).out, std::string("rowgate ") + version + "\n");
}

TEST(command_line, version_is_that_of_the_build) {
  std::ifstream in(ROWGATE_SOURCE_DIR "/CMakeLists.txt");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr(std::string("project(rowgate VERSION ") + version + " "));
}

/// docs/command-line.md shows each verb's help between marks. ROWGATE_REWRITE=1 rewrites it.
TEST(command_line, command_line_page_shows_the_help_of_every_verb) {
  const std::string path = ROWGATE_SOURCE_DIR "/docs/command-line.md";
  std::ifstream in(path);
  std::stringstream read;
  read << in.rdbuf();
  std::string page = read.str();
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{},
                                             {"serve"},
                                             {"check"},
                                             {"explain"},
                                             {"query"},
                                             {"deadletter"},
                                             {"deadletter", "list"},
                                             {"deadletter", "show"},
                                             {"deadletter", "replay"},
                                             {"deadletter", "purge"},
                                             {"unmapped"},
                                             {"unmapped", "list"},
                                             {"unmapped", "show"},
                                             {"unmapped", "replay"},
                                             {"unmapped", "purge"},
                                             {"journal"},
                                             {"journal", "info"},
                                             {"journal", "verify"},
                                             {"journal", "dump"},
                                             {"user"},
                                             {"user", "add"},
                                             {"user", "password"},
                                             {"user", "roles"},
                                             {"user", "remove"},
                                             {"user", "list"}}) {
    auto arguments = verb;
    arguments.push_back("--help");
    std::string name = "rowgate";
    for (const std::string& word : verb) name += " " + word;
    const std::string begin = "```\n$ " + name + " --help\n";
    const auto from = page.find(begin);
    ASSERT_NE(from, std::string::npos) << name;
    const auto at = from + begin.size();
    const auto to = page.find("```", at);
    ASSERT_NE(to, std::string::npos) << name;
    const std::string help = std::regex_replace(parsed(arguments).out, std::regex(" +\n"), "\n");
    if (std::getenv("ROWGATE_REWRITE") != nullptr) {
      page.replace(at, to - at, help);
    } else {
      EXPECT_EQ(page.substr(at, to - at), help)
          << "run this test with ROWGATE_REWRITE=1 and review the difference";
    }
  }
  if (std::getenv("ROWGATE_REWRITE") != nullptr) std::ofstream(path) << page;
}

}  // namespace
}  // namespace rowgate::cli
