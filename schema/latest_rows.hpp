#pragma once
// The last rows of a table, for the table that `latest` asks for. One thread; reused.
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "schema/row_batch.hpp"

namespace rowgate::schema {

class LatestRows {
 public:
  /// Makes `latest` hold, of each of its keys, the row of `rows` with the latest time, and of equal
  /// times the last; in their order. Its columns become those of `rows`. Rows with a NULL in the
  /// key, and those that `left_out` names (nothing: none), have no part. Values are views of those
  /// in `rows`.
  void fill(RowBatch& latest, const RowBatch& rows,
            const std::function<bool(std::size_t row)>& left_out = {});

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> last_;  // by key
  std::vector<std::size_t> order_;
  std::string key_;
};

}  // namespace rowgate::schema
