#include "schema/row_batch.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rowgate::schema {
namespace {

// A plant may have thousands of tables, each with an arena a lane.
constexpr std::size_t first_block = 4U << 10;
constexpr std::size_t largest_block = 4U << 20;
// What an arena keeps for the next batch; one huge message must not hold its memory for ever.
constexpr std::size_t kept_bytes = 16U << 20;
constexpr std::size_t kept_values = (64U << 20) / sizeof(Value);

}  // namespace

char* Arena::allocate(std::size_t n) {
  while (block_ < blocks_.size() && blocks_[block_].size - at_ < n) {
    ++block_;
    at_ = 0;
  }
  if (block_ == blocks_.size()) {
    const std::size_t doubled = blocks_.empty() ? first_block : blocks_.back().size * 2;
    const std::size_t size = std::max(n, std::min(doubled, largest_block));
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), size});
    at_ = 0;
  }
  char* p = blocks_[block_].bytes.get() + at_;
  at_ += n;
  used_ += n;
  return p;
}

std::string_view Arena::copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* p = allocate(bytes.size());
  std::memcpy(p, bytes.data(), bytes.size());
  return {p, bytes.size()};
}

void Arena::clear() noexcept {
  std::size_t kept = 0;
  std::size_t n = 0;
  while (n < blocks_.size() && kept + blocks_[n].size <= kept_bytes) kept += blocks_[n++].size;
  blocks_.resize(n);
  block_ = at_ = used_ = 0;
}

RowBatch::RowBatch(Table table) : table_(std::move(table)) {}

std::size_t RowBatch::add_column(Column column) {
  const std::size_t before = table_.columns.size();
  table_.columns.push_back(std::move(column));
  if (rows() > 0) {
    std::vector<Value> wider(rows() * (before + 1));
    for (std::size_t r = 0; r < rows(); ++r) {
      std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(r * before), before,
                  wider.begin() + static_cast<std::ptrdiff_t>(r * (before + 1)));
    }
    values_ = std::move(wider);
  }
  return before;
}

void RowBatch::remove_column(std::size_t index) {
  const std::size_t before = table_.columns.size();
  std::size_t kept = 0;
  std::size_t to = 0;
  for (std::size_t r = 0; r < rows(); ++r) {
    if (!values_[r * before + index].is_null()) continue;
    for (std::size_t c = 0; c < before; ++c)
      if (c != index) values_[to++] = values_[r * before + c];
    if (r < numbers_.size()) numbers_[kept] = numbers_[r];
    sources_[kept++] = sources_[r];
  }
  values_.resize(to);
  sources_.resize(kept);
  if (numbers_.size() > kept) numbers_.resize(kept);
  table_.columns.erase(table_.columns.begin() + static_cast<std::ptrdiff_t>(index));
}

std::span<Value> RowBatch::add_row(std::uint32_t source) {
  note();
  values_.resize(values_.size() + table_.columns.size());
  sources_.push_back(source);
  return last_row();
}

void RowBatch::drop_last_row() noexcept {
  values_.resize(values_.size() - table_.columns.size());
  sources_.pop_back();
  if (numbers_.size() > sources_.size()) numbers_.pop_back();
}

void RowBatch::number_rows(std::size_t first, std::uint32_t number) {
  numbers_.resize(first, no_number);
  numbers_.resize(sources_.size(), number);
}

void RowBatch::clear() noexcept {
  if (values_.capacity() > kept_values) values_ = {};
  values_.clear();
  sources_.clear();
  numbers_.clear();
  arena_.clear();
}

}  // namespace rowgate::schema
