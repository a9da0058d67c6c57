#pragma once
// The open rows of one lane: a RowBatch for each table of the Catalog, then those of tables that
// only the messages name (machbase-neo's topics), then the gateway's own.
// Columns that `columns = "auto"` added stay after clear(), and so do tables. One thread.
#include <cstddef>
#include <deque>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

class BatchSet {
 public:
  explicit BatchSet(const Catalog& catalog);
  BatchSet(const BatchSet&) = delete;
  BatchSet& operator=(const BatchSet&) = delete;

  /// All of them; the mapped ones come first.
  std::size_t size() const noexcept { return mapped_.size() + own_.size(); }
  std::size_t mapped() const noexcept { return mapped_.size(); }
  RowBatch& operator[](std::size_t i) noexcept {
    return i < mapped_.size() ? mapped_[i] : own_[i - mapped_.size()];
  }
  /// A mapped table as its mapping declares it, without the columns that messages added.
  const Table& declared(std::size_t i) const noexcept { return declared_[i]; }
  /// A table that is not the Catalog's. Its index; the gateway's own tables' indexes move.
  /// References to batches and declared tables stay valid.
  std::size_t add_table(Table table);

  RowBatch& dead_letters() noexcept { return own_[0]; }
  RowBatch& unmapped() noexcept { return own_[1]; }
  RowBatch& births() noexcept { return own_[2]; }  // of Sparkplug B
  /// Both cost as much as there are tables in use, however many there are.
  std::size_t rows() const noexcept;
  void clear() noexcept;

 private:
  std::deque<RowBatch> mapped_;
  std::deque<Table> declared_;
  std::deque<RowBatch> own_;
  std::vector<RowBatch*> used_;  // since clear()
};

}  // namespace rowgate::schema
