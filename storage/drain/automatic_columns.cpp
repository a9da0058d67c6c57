#include "storage/drain/automatic_columns.hpp"

namespace rowgate::storage {
namespace {

using schema::Type;

bool misfit(const SinkResult<void>& ensured) {
  return !ensured && ensured.error().outcome == CommitOutcome::row_rejected;
}

/// True: it has another type now.
SinkResult<bool> fit_column(SinkLane& sink, const schema::Table& declared, schema::RowBatch& rows,
                            std::size_t column, const RefusedRow& refused) {
  schema::Table probe = declared;
  probe.columns.push_back(rows.table().columns[column]);
  const auto fits = sink.ensure(probe);
  if (fits) return false;
  if (!misfit(fits)) return fits.error();
  for (std::size_t r = 0; r < rows.rows(); ++r)
    if (!rows.row(r)[column].is_null()) refused(r, fits.error().message);
  rows.remove_column(column);
  for (const Type type : {Type::double_precision, Type::text, Type::boolean, Type::jsonb}) {
    probe.columns.back().type = type;
    const auto other = sink.ensure(probe);
    if (misfit(other)) continue;
    if (!other) return other.error();
    rows.add_column(probe.columns.back());
    return true;
  }
  return false;
}

}  // namespace

SinkResult<bool> ensure_automatic(SinkLane& sink, const schema::Table& declared,
                                  schema::RowBatch& rows, const RefusedRow& refused) {
  const auto fits = sink.ensure(rows.table());
  const std::size_t columns = rows.table().columns.size();
  if (fits) return false;
  if (!misfit(fits) || columns == declared.columns.size()) return fits.error();
  if (const auto without = sink.ensure(declared); !without) return without.error();
  bool changed = false;
  // From the last on: a column that gets another type moves to the end.
  for (std::size_t column = columns; column-- > declared.columns.size();) {
    const auto other = fit_column(sink, declared, rows, column, refused);
    if (!other) return other.error();
    changed |= *other;
  }
  if (const auto all = sink.ensure(rows.table()); !all) return all.error();
  return changed;
}

}  // namespace rowgate::storage
