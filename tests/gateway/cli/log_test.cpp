#include "gateway/cli/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/formatter.h>
#include <spdlog/spdlog.h>

#include <regex>

namespace rowgate::cli {
namespace {

std::string formatted(config::LogFormat format, std::string_view text,
                      spdlog::level::level_enum level = spdlog::level::info) {
  spdlog::details::log_msg message(spdlog::source_loc{}, "", level,
                                   spdlog::string_view_t(text.data(), text.size()));
  message.time = spdlog::log_clock::time_point(std::chrono::microseconds(1'700'000'000'123'456));
  spdlog::memory_buf_t out;
  make_formatter(format)->format(message, out);
  return {out.data(), out.size()};
}

TEST(log, human_line_is_time_level_text) {
  EXPECT_EQ(formatted(config::LogFormat::human, "ready"),
            "2023-11-14T22:13:20.123456Z info  ready\n");
  EXPECT_EQ(formatted(config::LogFormat::human, "x", spdlog::level::err),
            "2023-11-14T22:13:20.123456Z error x\n");
}

TEST(log, human_text_cannot_forge_another_line) {
  EXPECT_EQ(formatted(config::LogFormat::human, "client a\n2023 info  ready\x1b[2J"),
            "2023-11-14T22:13:20.123456Z info  client a\n    2023 info  ready\\x1b[2J\n");
}

TEST(log, human_text_may_end_in_a_newline) {
  EXPECT_EQ(formatted(config::LogFormat::human, "a\n"), "2023-11-14T22:13:20.123456Z info  a\n");
}

TEST(log, json_is_one_object_a_line_properly_escaped) {
  EXPECT_EQ(formatted(config::LogFormat::json, "client \"a\"\n\xff", spdlog::level::warn),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warn\","
            "\"msg\":\"client \\\"a\\\"\\n\uFFFD\"}\n");
}

TEST(log, level_of_the_configuration_decides_what_is_logged) {
  const auto before = spdlog::default_logger();
  for (const auto& [word, level] :
       {std::pair{"trace", spdlog::level::trace}, std::pair{"debug", spdlog::level::debug},
        std::pair{"info", spdlog::level::info}, std::pair{"warn", spdlog::level::warn},
        std::pair{"error", spdlog::level::err}}) {
    config::Config config;
    config.log.level = word;
    set_up_log(config);
    EXPECT_EQ(spdlog::default_logger()->level(), level) << word;
  }
  spdlog::set_default_logger(before);
}

}  // namespace
}  // namespace rowgate::cli
