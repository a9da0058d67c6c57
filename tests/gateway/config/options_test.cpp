#include "gateway/config/options.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace rowgate::config {
namespace {

TEST(options, names_flags_and_variables_are_unique) {
  std::set<std::string> seen;
  for (const Option& option : options()) {
    EXPECT_TRUE(seen.insert(std::string(option.name)).second) << option.name;
    EXPECT_TRUE(seen.insert(environment_name(option.name)).second) << option.name;
    if (!option.flag.empty()) {
      EXPECT_TRUE(seen.insert(std::string(option.flag)).second) << option.flag;
      EXPECT_TRUE(std::regex_match(std::string(option.flag), std::regex("--[a-z][a-z-]*")));
    }
  }
}

TEST(options, help_is_one_sentence_that_says_something) {
  for (const Option& option : options()) {
    EXPECT_GT(option.help.size(), 15U) << option.name;
    EXPECT_EQ(option.help.back(), '.') << option.name;
    EXPECT_FALSE(option.expected.empty()) << option.name;
  }
}

TEST(options, default_of_every_option_is_a_value_it_takes) {
  const Config defaults;
  for (const Option& option : options()) {
    Config config;
    const std::string value = option.get(defaults);
    EXPECT_EQ(option.set(config, value), "") << option.name << " = " << value;
    EXPECT_EQ(option.get(config), value) << option.name;
  }
}

TEST(options, setting_one_changes_no_other) {
  const Config defaults;
  const auto other_value = [](const Option& option) -> std::string {
    switch (option.kind) {
      case Kind::endpoint:
        return "[::1]:99";
      case Kind::size:
        return "48 MiB";
      case Kind::duration:
        return "7 s";
      case Kind::count:
        return "7";
      case Kind::flag:
        return "true";
      case Kind::choice:
        return option.expected.substr(option.expected.rfind(' ') + 1);
      default:
        return option.name == "sink" ? "sqlite:other.db" : "other";
    }
  };
  for (const Option& changed : options()) {
    Config config;
    ASSERT_EQ(changed.set(config, other_value(changed)), "") << changed.name;
    for (const Option& option : options()) {
      if (option.name == changed.name) {
        EXPECT_EQ(option.get(config), other_value(changed)) << changed.name;
      } else {
        EXPECT_EQ(option.get(config), option.get(defaults)) << changed.name << option.name;
      }
    }
  }
}

TEST(options, value_out_of_range_is_refused_and_changes_nothing) {
  Config config;
  EXPECT_NE(find_option("mqtt.receive_maximum")->set(config, "0"), "");
  EXPECT_NE(find_option("mqtt.receive_maximum")->set(config, "65536"), "");
  EXPECT_NE(find_option("journal.max_bytes")->set(config, "1 KiB"), "");
  EXPECT_NE(find_option("shutdown.drain")->set(config, "1500 ms"), "");
  EXPECT_EQ(config.mqtt.receive_maximum, Config{}.mqtt.receive_maximum);
  EXPECT_EQ(config.journal.max_bytes, Config{}.journal.max_bytes);
}

TEST(options, refused_sink_does_not_show_its_password) {
  Config config;
  const std::string wrong = find_option("sink")->set(config, "mysql://ann:s3cret@db/plant");
  EXPECT_NE(wrong.find("mysql://ann:***@db/plant"), std::string::npos) << wrong;
  EXPECT_EQ(wrong.find("s3cret"), std::string::npos) << wrong;
}

TEST(options, environment_name_is_the_key_in_capitals) {
  EXPECT_EQ(environment_name("journal.max_bytes"), "ROWGATE_JOURNAL_MAX_BYTES");
  EXPECT_EQ(environment_name("sink"), "ROWGATE_SINK");
}

TEST(options, nearest_option_forgives_a_slip_and_a_wrong_table) {
  EXPECT_EQ(nearest_option("jornal.max_bytes"), "journal.max_bytes");
  EXPECT_EQ(nearest_option("maping"), "mapping");
  EXPECT_EQ(nearest_option("http.receive_maximum"), "mqtt.receive_maximum");
  EXPECT_EQ(nearest_option("level"), "log.level");
  EXPECT_EQ(nearest_option("entirely.different"), "");
}

/// docs/configuration.md holds the reference between two marks. ROWGATE_REWRITE=1 rewrites it.
TEST(options, configuration_page_agrees_with_the_table) {
  const std::string path = ROWGATE_SOURCE_DIR "/docs/configuration.md";
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  std::ostringstream read;
  read << in.rdbuf();
  std::string page = read.str();
  const std::string begin = "<!-- options: generated, see tests/gateway/config -->\n";
  const std::string end = "\n<!-- options end -->";
  const auto from = page.find(begin);
  const auto to = page.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  const auto at = from + begin.size();
  const std::string reference = options_markdown();
  if (std::getenv("ROWGATE_REWRITE") != nullptr) {
    page.replace(at, to - at, reference);
    std::ofstream(path) << page;
    return;
  }
  EXPECT_EQ(page.substr(at, to - at), reference)
      << "run this test with ROWGATE_REWRITE=1 and review the difference";
}

}  // namespace
}  // namespace rowgate::config
