#pragma once
// The tables of last rows among a batch's tables. They repeat rows that are stored elsewhere, so
// what such a table refuses is left out of it, with a warning, and is no dead letter. One thread.
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "schema/latest_rows.hpp"
#include "schema/mapper.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

class LatestTables {
 public:
  explicit LatestTables(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}

  /// Fills table `index`, one of last rows, from the rows of its table in the same batch, and
  /// ensures it; where it does not fit it stays without rows. Never row_rejected.
  SinkResult<void> ensure(SinkLane& sink, schema::BatchSet& tables, std::size_t index);
  /// insert() leaves out row `row` of table `table`: the database refused it.
  void leave_out(std::size_t table, std::size_t row) { refused_.emplace(table, row); }
  /// The next batch: no row is left out.
  void start() noexcept { refused_.clear(); }
  /// Fills table `index` again, and inserts what the database takes of it; inside a transaction. As
  /// insert_bisected().
  SinkResult<void> insert(SinkLane& sink, schema::BatchSet& tables, std::size_t index);

 private:
  void fill(schema::BatchSet& tables, std::size_t index);
  void warn(const schema::Table& table, const std::string& reason);

  std::function<void(const std::string&)> warn_;
  std::set<std::string> warned_;
  std::set<std::pair<std::size_t, std::size_t>> refused_;  // table, row
  schema::LatestRows rows_;
};

}  // namespace rowgate::storage
