#pragma once
// The fields of one row of one message -> a row (or several, layout = "narrow") in the mapping's
// RowBatch. Holds what `columns = "auto"` learned about the mapping's columns. One a mapping and
// lane; not thread-safe.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/message.hpp"
#include "schema/payload/reader.hpp"
#include "schema/plan.hpp"
#include "schema/row_batch.hpp"
#include "schema/topic_cache.hpp"

namespace rowgate::schema {

/// Columns that `columns = "auto"` may add to a table.
inline constexpr std::size_t max_auto_columns = 200;

enum class Written : std::uint8_t {
  rows,      // one, or several of layout = "narrow"
  filtered,  // the mapping wants no row of it
  refused,   // nothing was appended: `reason` says why
};

/// What a row is made from. Views that live as long as the row.
struct RowInput {
  const Message& message;
  const TopicCache::Match& match;
  std::span<const Field> fields;       // slots of Plan::row
  std::span<const Field> root_fields;  // slots of Plan::root
  std::span<const Leaf> leaves;
  const Reader& reader;  // knows the leaves' paths
};

class RowWriter {
 public:
  /// Both outlive the writer.
  RowWriter(const Plan& plan, const Table& table) : plan_(plan), table_(table) {}

  /// Appends. `reason` is for a person.
  Written write(const RowInput& input, std::uint32_t source, RowBatch& batch, std::string& reason);

  /// Forgets which rows were stored last: the next of each series is stored.
  void forget() noexcept {}

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  struct AutoColumn {
    std::size_t index;
    std::string name;
  };

  bool fill_columns(const RowInput& input, RowBatch& batch, std::string& reason);
  bool fill_column(const ColumnPlan& column, const RowInput& input, RowBatch& batch,
                   std::string& reason);
  bool fill_auto(const RowInput& input, RowBatch& batch, std::string& reason);
  bool write_narrow(const RowInput& input, std::uint32_t source, RowBatch& batch,
                    std::string& reason);
  const AutoColumn* auto_column(std::string_view path, const Field& field, RowBatch& batch,
                                std::string& reason);

  const Plan& plan_;
  const Table& table_;  // as declared, without automatic columns
  std::unordered_map<std::string, AutoColumn, NameHash, std::equal_to<>> auto_columns_;
};

}  // namespace rowgate::schema
