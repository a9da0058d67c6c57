#pragma once
// rowgate_mapping in a SQLite file.
#include <memory>
#include <string>

#include "storage/sink/mapping_history.hpp"

namespace rowgate::storage::sqlite {

/// Opens nothing yet. `gateway`: the identity whose versions these are.
std::unique_ptr<MappingHistory> make_mapping_history(std::string file, std::string gateway);

}  // namespace rowgate::storage::sqlite
