#pragma once
// The structured log: spdlog's default logger, to stderr.
#include <memory>

#include "gateway/config/config.hpp"

namespace spdlog {
class formatter;
}

namespace rowgate::cli {

/// Replaces spdlog's default logger. Once, before any other thread logs.
void set_up_log(const config::Config& config);

/// human: `2026-11-21T07:09:39.123456Z info  text`, further lines of the text indented;
/// json: `{"time":"...","level":"info","msg":"..."}`. Always one well-formed line (or block): what
/// a client sent cannot forge another.
std::unique_ptr<spdlog::formatter> make_formatter(config::LogFormat format);

}  // namespace rowgate::cli
