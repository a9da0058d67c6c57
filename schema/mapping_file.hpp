#pragma once
// The mapping file: TOML text -> Catalog, or every error in it with line, column and a hint.
// A file with one error is refused whole.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/base/result.hpp"
#include "schema/mapping.hpp"

namespace rowgate::schema {

struct MappingError {
  std::uint32_t line = 0;  // 1-based; 0: the file as a whole
  std::uint32_t column = 0;
  std::string message;
  std::string hint;  // what to do; may be empty
};

/// `generation` numbers the Catalog. Pure; any thread.
Result<std::shared_ptr<const Catalog>, std::vector<MappingError>> parse_mapping_file(
    std::string_view text, std::uint64_t generation);

/// "mappings.toml:12:9: unknown key 'colums' (did you mean 'columns'?)", a line each.
std::string format_errors(std::string_view file, const std::vector<MappingError>& errors);

}  // namespace rowgate::schema
