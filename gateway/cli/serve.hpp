#pragma once
// `rowgate serve`: wires listener, journal, lanes, sink and HTTP together and runs until SIGTERM,
// SIGINT or a fault.
#include "gateway/config/config.hpp"

namespace rowgate::cli {

/// Returns the exit code: 0 after an orderly stop, 1 after a fault (logged). Throws ConfigError for
/// a configuration that cannot work (exit 2) and std::runtime_error for what keeps it from starting
/// (exit 1). Logs through spdlog's default logger, which log.hpp has set up.
int serve(const config::Config& config);

}  // namespace rowgate::cli
