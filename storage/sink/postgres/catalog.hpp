#pragma once
// The database's catalogue: what a table looks like, the DDL that makes it fit, and read-only
// queries. libpqxx; a connection of its own. One thread; exceptions stay inside.
#include <memory>
#include <string>
#include <vector>

#include "schema/table.hpp"
#include "storage/sink/postgres/row_encoder.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage::postgres {

class Catalogue {
 public:
  /// Connects.
  static SinkResult<Catalogue> connect(const std::string& url, bool first_contact);
  ~Catalogue();
  Catalogue(Catalogue&&) noexcept;
  Catalogue& operator=(Catalogue&&) noexcept;

  /// Creates rowgate_checkpoint where missing.
  SinkResult<void> ensure_checkpoint();
  /// Runs the DDL that makes the table fit, one gateway at a time (advisory lock). The columns'
  /// binary forms, in the table's order.
  SinkResult<std::vector<Wire>> ensure(const schema::Table& table);
  /// That DDL, not run.
  SinkResult<std::vector<std::string>> plan(const schema::Table& table);
  SinkResult<QueryResult> query(const std::string& sql);

 private:
  struct State;
  explicit Catalogue(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rowgate::storage::postgres
