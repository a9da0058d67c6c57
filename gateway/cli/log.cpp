#include "gateway/cli/log.hpp"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <string>
#include <string_view>

#include "gateway/cli/text.hpp"
#include "schema/base/time.hpp"

namespace rowgate::cli {
namespace {

std::string_view word(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return "trace";
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

std::string time_of(const spdlog::details::log_msg& message) {
  const auto since = message.time.time_since_epoch();
  return to_iso8601(
      Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(since).count()});
}

std::string_view text_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

class Human final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    std::string line = time_of(message) + ' ';
    line += word(message.level);
    line.append(line.size() < iso8601_size + 7 ? iso8601_size + 7 - line.size() : 1, ' ');
    std::string_view rest = text_of(message);
    for (;;) {
      const auto end = rest.find('\n');
      append_printable(line, rest.substr(0, end));
      line += '\n';
      if (end == std::string_view::npos || end + 1 == rest.size()) break;
      rest.remove_prefix(end + 1);
      line += "    ";
    }
    to.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<Human>(); }
};

class Json final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    std::string line = "{\"time\":\"" + time_of(message) + "\",\"level\":\"";
    line += word(message.level);
    line += "\",\"msg\":";
    append_json(line, text_of(message));
    line += "}\n";
    to.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<Json>(); }
};

}  // namespace

std::unique_ptr<spdlog::formatter> make_formatter(config::LogFormat format) {
  if (format == config::LogFormat::json) return std::make_unique<Json>();
  return std::make_unique<Human>();
}

void set_up_log(const config::Config& config) {
  auto logger =
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(make_formatter(config.log.format));
  logger->set_level(spdlog::level::from_str(config.log.level));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace rowgate::cli
