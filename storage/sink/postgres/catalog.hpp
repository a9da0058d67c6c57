#pragma once
// The database's catalogue: what a table looks like, the DDL that makes it fit, and read-only
// queries. libpqxx; a connection of its own, that does not wait without end for a silent server.
// One thread; exceptions stay inside.
#include <memory>
#include <string>
#include <vector>

#include "schema/table.hpp"
#include "storage/sink/postgres/copy_binary.hpp"
#include "storage/sink/postgres/partitions.hpp"
#include "storage/sink/postgres/row_encoder.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage::postgres {

/// What maintenance has to know of a table.
struct Care {
  bool hypertable = false;              // its extension looks after it
  std::vector<Partition> partitions{};  // by ranges of the time column; empty: not so partitioned
};

struct Ensured {
  std::vector<Wire> wires;  // the columns' binary forms, in the table's order
  std::vector<std::string> notes;
  Care care;
};

class Catalogue {
 public:
  /// Connects.
  static SinkResult<Catalogue> connect(const std::string& url, bool first_contact,
                                       IngestConnection::Limits limits = {});
  ~Catalogue();
  Catalogue(Catalogue&&) noexcept;
  Catalogue& operator=(Catalogue&&) noexcept;

  /// Creates rowgate_checkpoint where missing.
  SinkResult<void> ensure_checkpoint();
  /// Runs the DDL that makes the table fit, one gateway at a time (advisory lock). Partitions are
  /// made for `now`.
  SinkResult<Ensured> ensure(const schema::Table& table, Timestamp now);
  /// That DDL, not run.
  SinkResult<TablePlan> plan(const schema::Table& table, Timestamp now);
  SinkResult<QueryResult> query(const std::string& sql);

 private:
  struct State;
  explicit Catalogue(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rowgate::storage::postgres
