#include "gateway/broker/arrival_check.hpp"

#include <fmt/format.h>

#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::broker {

struct ArrivalCheck::Scratch {
  explicit Scratch(std::shared_ptr<const schema::Catalog> rejecting)
      : mapper(std::move(rejecting)),
        rows(mapper.catalog()),
        sparkplug(schema::has_sparkplug(mapper.catalog())) {}

  /// A column that `columns = "auto"` made of one message must not judge the next: what its type is
  /// to be, only the lane and the database know.
  bool has_new_columns() {
    for (std::size_t i = 0; i < rows.mapped(); ++i) {
      if (rows[i].table().columns.size() > rows.declared(i).columns.size()) return true;
    }
    return false;
  }
  void clear() {
    if (has_new_columns()) {
      std::destroy_at(&rows);
      std::construct_at(&rows, mapper.catalog());
    } else {
      rows.clear();
    }
  }

  schema::Mapper mapper;
  schema::BatchSet rows;
  const bool sparkplug;
};

ArrivalCheck::ArrivalCheck(const LiveCatalog& live, std::size_t threads)
    : live_(live), cells_(std::make_unique<Cell[]>(threads)) {}
ArrivalCheck::~ArrivalCheck() = default;

void ArrivalCheck::load(Cell& cell) const {
  const auto catalog = live_.get();
  cell.generation = catalog->generation;
  cell.scratch = catalog->rejecting ? std::make_unique<Scratch>(catalog->rejecting) : nullptr;
}

std::optional<std::string> ArrivalCheck::check(Scratch& scratch, const schema::Message& message) {
  // What it says, only its lane knows, which has seen the birth.
  if (scratch.sparkplug && schema::needs_birth(message)) return std::nullopt;
  const schema::Verdict verdict = scratch.mapper.map(message, 0, false, scratch.rows);
  if (!verdict.matched) return std::nullopt;
  std::optional<std::string> why;
  if (verdict.rejects > 0) {
    const schema::RowBatch& refused = scratch.rows.dead_letters();
    const auto text = [&](std::string_view column) {
      return refused.row(0)[*refused.table().column(column)].as_bytes();
    };
    why = fmt::format("mapping '{}': {}", text("mapping"), text("reason"));
    // A reason quotes the payload, and may have cut a character in two.
    if (!is_utf8(*why) || has_nul(*why)) {
      why = fmt::format("mapping '{}': the payload does not fit", text("mapping"));
    }
  }
  scratch.clear();
  return why;
}

}  // namespace rowgate::broker
