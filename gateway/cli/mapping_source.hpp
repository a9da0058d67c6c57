#pragma once
// Where the mapping comes from: a file, or the built-in one.
#include <cstdint>
#include <memory>
#include <string>

#include "schema/mapping.hpp"

namespace rowgate::cli {

/// The whole text of a mapping file. Throws config::ConfigError.
std::string read_mapping_file(const std::string& file);

/// Reads and parses `file` (empty: the built-in mapping). Throws config::ConfigError with every
/// error, a line each (`plant.toml:12:9: ...`).
std::shared_ptr<const schema::Catalog> load_catalog(const std::string& file,
                                                    std::uint64_t generation);
/// The same with the text of `file`, read already.
std::shared_ptr<const schema::Catalog> parse_catalog(const std::string& file,
                                                     const std::string& text,
                                                     std::uint64_t generation);

/// Puts `text` in the place of the file: written beside it, synced, renamed, with the old file's
/// owner and mode where this user may give them. A symbolic link stays one. Throws
/// std::runtime_error with a sentence; the old file is then untouched.
void replace_mapping_file(const std::string& file, const std::string& text);

/// "anna (owner of plant.toml)": the best there is to say of who changed a file.
std::string owner_of(const std::string& file);

/// The text's hash with the quotes of an HTTP ETag: "9f86d081884c7d659a2feaa0c55ad015".
std::string etag_of(const std::string& text);

}  // namespace rowgate::cli
