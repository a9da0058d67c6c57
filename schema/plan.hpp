#pragma once
// A Mapping made ready to run: its pointers as one tree, its columns with their sources resolved.
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "schema/convert.hpp"
#include "schema/last_stored.hpp"
#include "schema/mapping.hpp"
#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {

/// Where a message has a value.
struct Place {
  enum class From : std::uint8_t { capture, field, root_field, meta, received_at, constant };
  From from = From::field;
  std::uint32_t index = 0;         // capture, or slot in its tree
  const FromMeta* meta = nullptr;  // the rule's
};

struct ColumnPlan {
  static constexpr std::size_t no_column = static_cast<std::size_t>(-1);
  const ColumnRule* rule;  // the Mapping's, or the Plan's own for the time column
  Conversion conversion;
  Place place;
  std::size_t spill = no_column;  // where the text of what does not fit goes
  Value constant{};
};

struct ConditionPlan {
  const Condition* condition;  // the Mapping's
  Place place;
};

/// What `store` asks for.
struct StorePlan {
  std::vector<LastStored::Watched> watched;
  LastStored::Series series;
};

struct Plan {
  /// `mapping` outlives the Plan. `table` is the one it writes, as declared.
  Plan(const Mapping& mapping, const Table& table);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Mapping& mapping;
  FieldTree row;                // of one row; the whole document where there is no `rows`
  FieldTree root;               // of the document, under `rows`: the array and the fields beside it
  std::uint32_t rows_slot = 0;  // in root
  std::uint32_t tuple_slot = 0;  // in row: the row itself, where it must be an array
  std::vector<ColumnPlan> columns;
  std::vector<ConditionPlan> filter;
  const ColumnRule* rest = nullptr;  // the column of what no column takes
  std::optional<StorePlan> store;
  bool leaves = false;  // columns = "auto" or layout = "narrow": all other fields are wanted too
  std::size_t name_column = 0;   // narrow
  std::size_t value_column = 0;  // narrow

 private:
  void add(const ColumnRule& rule);
  Place place_of(const ValueSource& source, bool taken);
  void resolve(Place& place) const;
  void plan_store(const Table& table);
  ColumnRule time_rule_;
  Arena constants_;
};

}  // namespace rowgate::schema
