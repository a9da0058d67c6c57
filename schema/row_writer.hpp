#pragma once
// The fields of one row of one message -> a row (or several, layout = "narrow") in the mapping's
// RowBatch, or none where `filter` or `store` want none. Holds what `columns = "auto"` learned
// about the mapping's columns, and the rows `store` compares with. One a mapping and lane; not
// thread-safe.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/last_stored.hpp"
#include "schema/message.hpp"
#include "schema/payload/reader.hpp"
#include "schema/plan.hpp"
#include "schema/row_batch.hpp"
#include "schema/topic_index.hpp"

namespace rowgate::schema {

/// Columns that `columns = "auto"` may add to a table.
inline constexpr std::size_t max_auto_columns = 200;
/// What the column is called beside which it stands, for what did not fit there (Drift::spill).
inline constexpr std::string_view spill_suffix = "_spill";

enum class Written : std::uint8_t {
  rows,      // one, or several of layout = "narrow"
  filtered,  // the mapping wants no row of it
  refused,   // nothing was appended: `reason` says why
};

/// What a row is made from. Views that live as long as the row.
struct RowInput {
  const Message& message;
  const TopicMatch& match;
  std::span<const Field> fields;       // slots of Plan::row
  std::span<const Field> root_fields;  // slots of Plan::root
  std::span<const Leaf> leaves;
  const Reader& reader;  // knows the leaves' paths
};

class RowWriter {
 public:
  /// Both outlive the writer.
  RowWriter(const Plan& plan, const Table& table);

  /// Before the first write() of a message.
  void begin_message() noexcept {
    if (last_) last_->begin_message();
  }
  /// The rows made since begin_message() were dropped.
  void take_back() noexcept {
    if (last_) last_->take_back();
  }
  /// Appends. `reason` is for a person.
  Written write(const RowInput& input, std::uint32_t source, RowBatch& batch, std::string& reason);

  /// Forgets which rows were stored last: the next of each series is stored.
  void forget() noexcept {
    if (last_) last_->forget();
  }
  /// Why the last row that was filtered was, for a person.
  std::string why_filtered() const;

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

  bool passes_filter(const RowInput& input);
  bool fill_columns(const RowInput& input, RowBatch& batch, std::string& reason);
  bool fill_column(const ColumnPlan& column, const RowInput& input, RowBatch& batch,
                   std::string& reason);
  bool fill_rest(const RowInput& input, RowBatch& batch, std::string& reason);
  bool fill_auto(const RowInput& input, RowBatch& batch, std::string& reason);
  bool fill_auto_column(const Leaf& leaf, std::string_view path, RowBatch& batch,
                        std::string& reason);
  /// The text of what does not fit an automatic column.
  bool spill_auto(const std::string& column, const Field& field, RowBatch& batch,
                  std::string& reason);
  Written write_narrow(const RowInput& input, std::uint32_t source, RowBatch& batch,
                       std::string& reason);
  const AutoColumn* auto_column(std::string_view path, const Field& field, RowBatch& batch,
                                std::string& reason);
  std::optional<std::size_t> add_auto_column(const std::string& name, Type type, RowBatch& batch,
                                             std::string& reason);
  bool is_news(const RowInput& input, RowBatch& batch);

  const Plan& plan_;
  const Table& table_;  // as declared, without automatic columns
  std::unordered_map<std::string, AutoColumn, NameHash, std::equal_to<>> auto_columns_;
  std::optional<LastStored> last_;          // `store`
  const Condition* filtered_by_ = nullptr;  // null: by `store`
  bool spilled_ = false;                    // something of the row being made
  std::string rest_;
};

}  // namespace rowgate::schema
