#pragma once
// The gateway's identity in the sink: the key of its checkpoints.
#include <string>

#include "gateway/config/config.hpp"
#include "storage/os/file.hpp"

namespace rowgate::cli {

/// What the configuration names, or else the random id kept in the data directory's file
/// `identity`, made at the first start. Throws std::runtime_error.
std::string gateway_identity(const config::Config& config, os::Directory& data_dir);

}  // namespace rowgate::cli
