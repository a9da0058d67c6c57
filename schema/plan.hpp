#pragma once
// A Mapping made ready to run: its pointers as one tree, its columns with their sources resolved.
#include <cstdint>
#include <vector>

#include "schema/convert.hpp"
#include "schema/mapping.hpp"
#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {

struct ColumnPlan {
  enum class From : std::uint8_t { capture, field, root_field, meta };
  const ColumnRule* rule;  // the Mapping's, or the Plan's own for the time column
  Conversion conversion;
  From from = From::field;
  std::uint32_t index = 0;  // capture, or slot in its tree
};

struct Plan {
  /// `mapping` and `catalog` outlive the Plan.
  Plan(const Mapping& mapping, const Catalog& catalog);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Mapping& mapping;
  FieldTree row;                // of one row; the whole document where there is no `rows`
  FieldTree root;               // of the document, under `rows`: the array and the fields beside it
  std::uint32_t rows_slot = 0;  // in root
  std::vector<ColumnPlan> columns;
  bool leaves = false;  // columns = "auto" or layout = "narrow": all other fields are wanted too
  std::size_t name_column = 0;   // narrow
  std::size_t value_column = 0;  // narrow

 private:
  void add(const ColumnRule& rule);
  ColumnRule time_rule_;
};

}  // namespace rowgate::schema
