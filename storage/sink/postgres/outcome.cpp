#include "storage/sink/postgres/outcome.hpp"

namespace rowgate::storage::postgres {

CommitOutcome outcome_of(std::string_view sqlstate, bool first_contact) noexcept {
  const std::string_view state_class = sqlstate.substr(0, 2);
  // Data exception, constraint violation, cardinality, WITH CHECK OPTION, a limit such as the
  // B-tree's key size, and what a trigger raises: all of them about the row.
  for (const std::string_view c : {"22", "23", "21", "44", "54", "P0"})
    if (state_class == c) return CommitOutcome::row_rejected;
  const bool not_let_in = state_class == "28" || sqlstate == "3D000" || sqlstate == "42501";
  if (not_let_in && first_contact) return CommitOutcome::fatal;
  // The rest passes: connection (08), resources (53), shutdown (57), rollback (40), locks (55),
  // read-only standby (25006), a table dropped under us (42P01: made again after reconnecting).
  return CommitOutcome::retry;
}

std::string_view hint_for(std::string_view sqlstate) noexcept {
  if (sqlstate == "28P01") return "; check user and password in the sink's URL";
  if (sqlstate == "28000") return "; check the user in the sink's URL and pg_hba.conf";
  if (sqlstate == "3D000") return "; create the database, or correct the sink's URL";
  if (sqlstate == "42501")
    return "; GRANT CREATE ON SCHEMA and TEMPORARY ON DATABASE to this user, or make the tables "
           "yourself (rowgate check prints the DDL) and GRANT SELECT, INSERT, UPDATE on them";
  if (sqlstate == "53300") return "; raise max_connections, or use fewer lanes";
  if (sqlstate == "53100") return "; free disk space on the database server";
  if (sqlstate == "25006")
    return "; this is a standby or a read-only database: use the primary, or name all hosts in "
           "the sink's URL, with target_session_attrs=read-write";
  if (sqlstate == "55P03")
    return "; another transaction holds the lock, perhaps our own of before the connection broke";
  return "";
}

}  // namespace rowgate::storage::postgres
