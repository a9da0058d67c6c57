#pragma once
// Whether the tables that a Catalog writes can be had in the database. Any thread.
#include <string>
#include <utility>
#include <vector>

#include "schema/mapping.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::cli {

struct TableMisfits {
  std::vector<std::pair<std::string, std::string>> tables;  // its name, and why not
  std::string unknown;  // why the others (or all) were not looked at; empty: all were

  /// A sentence each.
  std::vector<std::string> texts() const;
};

/// Asks table by table; gives up where the database does not answer, and after some seconds.
TableMisfits table_misfits(storage::Sink& sink, const schema::Catalog& catalog);

}  // namespace rowgate::cli
