#include "gateway/cli/mapping_source.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "gateway/config/config.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::cli {
namespace {

std::string read(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // peek: an empty file may be copied too, which << calls a failure.
  const bool empty = in && in.peek() == std::ifstream::traits_type::eof() && !in.bad();
  if (!in.is_open() || (!empty && !(text << in.rdbuf()))) {
    throw config::ConfigError("cannot read the mapping file " + file + ": " +
                              (errno != 0 ? std::strerror(errno) : "read error"));
  }
  return text.str();
}

}  // namespace

std::shared_ptr<const schema::Catalog> load_catalog(const std::string& file,
                                                    std::uint64_t generation) {
  if (file.empty()) return schema::built_in_catalog();
  auto parsed = schema::parse_mapping_file(read(file), generation);
  if (parsed.has_error()) {
    std::string errors = schema::format_errors(file, parsed.error());
    while (!errors.empty() && errors.back() == '\n') errors.pop_back();
    throw config::ConfigError(errors);
  }
  return *parsed;
}

}  // namespace rowgate::cli
