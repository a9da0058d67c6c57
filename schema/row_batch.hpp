#pragma once
// Rows of one table on their way to a sink: flat values, an arena for what is not a view, and for
// each row the index of the message it came from (so that a refused row can become a dead letter).
// Reused batch after batch: clear() keeps capacity (64 MiB of values
// at most). One thread.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "schema/table.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

/// Bump allocator for values' bytes. Addresses are stable until clear(), which keeps
/// the blocks (16 MiB of them at most).
class Arena {
 public:
  /// Uninitialised storage of n bytes, alignment 1.
  char* allocate(std::size_t n);
  std::string_view copy(std::string_view bytes);
  void clear() noexcept;
  std::size_t used() const noexcept { return used_; }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::size_t block_ = 0;  // index of the block in use
  std::size_t at_ = 0;     // offset in it
  std::size_t used_ = 0;
};

class RowBatch {
 public:
  explicit RowBatch(Table table);

  /// The list is told of this batch once, when it first takes something, and again after forget().
  void tell(std::vector<RowBatch*>& used) noexcept { used_ = &used; }
  void forget() noexcept { told_ = false; }

  const Table& table() const noexcept { return table_; }
  /// Adds a column; rows already there get NULL. Returns its index. Values' addresses move.
  std::size_t add_column(Column column);
  /// Takes a column away, and with it the rows that have a value there. Values' addresses move.
  void remove_column(std::size_t index);

  /// A new row of NULLs, one Value a column; valid until the next call that changes the batch.
  std::span<Value> add_row(std::uint32_t source);
  /// Takes back the last row (its message turned out not to fit).
  void drop_last_row() noexcept;

  std::size_t rows() const noexcept { return sources_.size(); }
  std::span<const Value> row(std::size_t i) const noexcept {
    return {values_.data() + i * table_.columns.size(), table_.columns.size()};
  }
  std::span<Value> last_row() noexcept {
    return {values_.data() + values_.size() - table_.columns.size(), table_.columns.size()};
  }
  std::uint32_t source(std::size_t i) const noexcept { return sources_[i]; }
  Arena& arena() {
    note();
    return arena_;
  }
  void clear() noexcept;

  /// The number of a row in its message (row_range.hpp); no_number: it is the message's only one,
  /// or is not told apart.
  static constexpr std::uint32_t no_number = UINT32_MAX;
  std::uint32_t number(std::size_t i) const noexcept {
    return i < numbers_.size() ? numbers_[i] : no_number;
  }
  /// Of the rows from `first` on.
  void number_rows(std::size_t first, std::uint32_t number);

 private:
  void note() {
    if (told_ || used_ == nullptr) return;
    used_->push_back(this);
    told_ = true;
  }

  Table table_;
  std::vector<Value> values_;
  std::vector<std::uint32_t> sources_;
  std::vector<std::uint32_t> numbers_;  // shorter where the rows behind have none
  Arena arena_;
  std::vector<RowBatch*>* used_ = nullptr;
  bool told_ = false;
};

}  // namespace rowgate::schema
