#include "schema/batch_set.hpp"

#include <utility>

#include "schema/mapper.hpp"

namespace rowgate::schema {

BatchSet::BatchSet(const Catalog& catalog) {
  for (const Table& table : catalog.tables) add_table(table);
  own_.emplace_back(dead_letter_table());
  own_.emplace_back(unmapped_table());
  own_.emplace_back(sparkplug_table());
  for (RowBatch& batch : own_) batch.tell(used_);
}

std::size_t BatchSet::add_table(Table table) {
  mapped_.emplace_back(table).tell(used_);
  declared_.push_back(std::move(table));
  return mapped_.size() - 1;
}

std::size_t BatchSet::rows() const noexcept {
  std::size_t n = 0;
  for (const RowBatch* batch : used_) n += batch->rows();
  return n;
}

void BatchSet::clear() noexcept {
  for (RowBatch* batch : used_) {
    batch->clear();
    batch->forget();
  }
  used_.clear();
}

}  // namespace rowgate::schema
