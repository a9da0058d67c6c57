#pragma once
// What an SQLSTATE asks for next (PostgreSQL, appendix A). Pure; any thread.
#include <string_view>

#include "storage/sink/sink.hpp"

namespace rowgate::storage::postgres {

/// `first_contact`: we have not been let in before, so a wrong password, database or privilege is a
/// mistake to report and stop for (fatal). Later it is an operation on the database to wait out.
CommitOutcome outcome_of(std::string_view sqlstate, bool first_contact) noexcept;

/// What to do about it, as "; do this", or nothing to add.
std::string_view hint_for(std::string_view sqlstate) noexcept;

}  // namespace rowgate::storage::postgres
