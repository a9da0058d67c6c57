#pragma once
// Reads the configuration: flag over environment over file over default, checked as a whole.
#include <string>
#include <utility>
#include <vector>

#include "gateway/config/config.hpp"

namespace rowgate::config {

/// Name and value: "ROWGATE_LOG_LEVEL" and "debug".
using Variables = std::vector<std::pair<std::string, std::string>>;
/// An option's name and its value from the command line: "log.level" and "debug".
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// The variables of this process that begin with ROWGATE_.
Variables environment();

/// `file` empty: none. In `environment` an empty value counts as not set, and a ROWGATE_ name that
/// is no option's gets a sentence in `warnings`, not an error: orchestrators set such variables
/// unasked (ROWGATE_PORT, ROWGATE_SERVICE_HOST for a service named rowgate).
/// Throws ConfigError with every error of the file, the environment and the flags, a line each.
Config load(const std::string& file, const Variables& environment, const Overrides& overrides,
            std::vector<std::string>* warnings = nullptr);

/// The same with the file's text; `name` is what messages call it.
Config load_text(const std::string& text, const std::string& name, const Variables& environment,
                 const Overrides& overrides, std::vector<std::string>* warnings = nullptr);

}  // namespace rowgate::config
