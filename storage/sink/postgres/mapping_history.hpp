#pragma once
// rowgate_mapping in PostgreSQL.
#include <memory>
#include <string>

#include "storage/sink/mapping_history.hpp"

namespace rowgate::storage::postgres {

/// Connects to nothing yet. `gateway`: the identity whose versions these are.
std::unique_ptr<MappingHistory> make_mapping_history(std::string url, std::string gateway);

}  // namespace rowgate::storage::postgres
