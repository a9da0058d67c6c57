#pragma once
// Where the mapping comes from: a file, or the built-in one.
#include <cstdint>
#include <memory>
#include <string>

#include "schema/mapping.hpp"

namespace rowgate::cli {

/// Reads and parses `file` (empty: the built-in mapping). Throws config::ConfigError with every
/// error, a line each (`plant.toml:12:9: ...`).
std::shared_ptr<const schema::Catalog> load_catalog(const std::string& file,
                                                    std::uint64_t generation);

}  // namespace rowgate::cli
