#include "storage/drain/maintenance.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int rest_for_each_step = 4;
constexpr milliseconds least_rest{20};
constexpr seconds after_failure{5};

bool needs_care(const schema::Table& table) noexcept {
  const schema::Storage& storage = table.storage;
  return storage.retention || storage.partition || storage.hypertable ||
         !storage.distributed.empty();
}

/// A hundredth of the retention, so that rows outlive it by little.
seconds look_again_after(const schema::Storage& storage) noexcept {
  constexpr seconds most{600};
  if (!storage.retention) return most;
  return std::clamp(*storage.retention / 100, seconds(5), most);
}

}  // namespace

Maintenance::Maintenance(os::Clock& clock, std::function<void(const std::string&)> warn)
    : clock_(clock), warn_(std::move(warn)) {}

void Maintenance::use(const std::shared_ptr<const schema::Catalog>& catalog) {
  if (catalog == catalog_) return;
  catalog_ = catalog;
  std::map<std::string, Duty> duties;
  for (std::size_t i = 0; i < catalog->tables.size(); ++i) {
    const schema::Table& table = catalog->tables[i];
    if (!needs_care(table)) continue;
    duties.emplace(table.name, Duty{i, clock_.ticks(), {}});
  }
  duties_ = std::move(duties);
}

Maintenance::Done Maintenance::step(SinkLane& sink,
                                    const std::shared_ptr<const schema::Catalog>& catalog) {
  use(catalog);
  const auto next =
      std::ranges::min_element(duties_, {}, [](const auto& duty) { return duty.second.due; });
  const Ticks began = clock_.ticks();
  if (next == duties_.end() || next->second.due > began) return {};
  Duty& duty = next->second;
  const schema::Table& table = catalog->tables[duty.table];
  const auto done = sink.maintain(table, clock_.now());
  const Ticks ended = clock_.ticks();
  if (!done) {
    duty.due = ended + after_failure;
    // A table that does not fit is told of with its first rows.
    const bool told = done.error().outcome == CommitOutcome::row_rejected;
    if (!told && duty.warned != done.error().message)
      warn_(fmt::format("table {}: {}; tried again", table.name, done.error().message));
    duty.warned = done.error().message;
    return {};
  }
  duty.warned.clear();
  if (done->more) {
    const Ticks::duration rest = rest_for_each_step * (ended - began);
    duty.due = ended + std::max<Ticks::duration>(rest, least_rest);
  } else {
    duty.due = ended + look_again_after(table.storage);
  }
  return {done->rows, done->partitions};
}

}  // namespace rowgate::storage
