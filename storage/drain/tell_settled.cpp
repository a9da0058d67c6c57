#include "storage/drain/tell_settled.hpp"

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace rowgate::storage {
namespace {

/// Message -> its first dead letter and its first table. Made for a batch only once somebody asks.
class Found {
 public:
  explicit Found(OpenBatch& batch)
      : batch_(batch),
        reason_column_(*schema::dead_letter_table().column("reason")),
        letters_(batch.messages(), none),
        tables_(batch.messages(), none) {
    schema::BatchSet& rows = batch.tables();
    for (std::size_t t = rows.mapped(); t-- > 0;) {
      for (std::size_t r = 0; r < rows[t].rows(); ++r) tables_[rows[t].source(r)] = t;
    }
    for (std::size_t r = rows.dead_letters().rows(); r-- > 0;) {
      letters_[rows.dead_letters().source(r)] = r;
    }
  }

  Settled settled(std::size_t message) {
    Settled what{batch_.message(message), batch_.fate(message), {}, {}};
    schema::BatchSet& rows = batch_.tables();
    if (what.fate == Fate::dead_letter && letters_[message] != none) {
      what.reason = rows.dead_letters().row(letters_[message])[reason_column_].as_bytes();
    } else if (what.fate == Fate::stored && tables_[message] != none) {
      what.table = rows[tables_[message]].table().name;
    }
    return what;
  }

 private:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  OpenBatch& batch_;
  std::size_t reason_column_;
  std::vector<std::size_t> letters_;
  std::vector<std::size_t> tables_;
};

}  // namespace

void tell_settled(OpenBatch& batch, Position from, const DrainObserver& observer) {
  if (observer.rebirth) {
    for (const std::string& node : batch.sparkplug().rebirths()) observer.rebirth(node);
  }
  if (!observer.wants || !observer.settled) return;
  std::optional<Found> found;
  for (std::size_t i = 0; i < batch.messages(); ++i) {
    const schema::Message& message = batch.message(i);
    if (message.properties.empty() || message.position < from.value) continue;
    if (!observer.wants(message.properties)) continue;
    if (!found) found.emplace(batch);
    observer.settled(found->settled(i));
  }
}

}  // namespace rowgate::storage
