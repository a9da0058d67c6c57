#pragma once
// Reads the files of this room. Inside gateway/security only.
#include <string>

#include "gateway/security/file_error.hpp"

namespace rowgate::security {

/// The whole file, at most 64 MiB. Throws FileError.
std::string read_text(const std::string& file);

}  // namespace rowgate::security
