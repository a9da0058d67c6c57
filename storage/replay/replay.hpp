#pragma once
// What was kept, once more through a mapping: dead letters and unmapped messages become rows, and
// go.
//
// Messages are taken in pages. One page is one transaction of the database's own: its messages are
// locked, mapped, their rows inserted, and the messages removed, or left with today's reason. So a
// page is done or it is not, whenever the process or the database dies, and doing it again finds
// only what is left. No checkpoint is read or moved, and a gateway may run on the same database.
//
// A dead letter goes through its own mapping only, and only the rows of it that were refused: what
// other mappings made of the message, and its other rows, are stored already. An unmapped message
// goes through every mapping that takes it now; what one of them refuses becomes a dead letter.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "schema/mapping.hpp"
#include "storage/replay/kept_message.hpp"

namespace rowgate::storage {

struct ReplayOptions {
  Kept kept = Kept::dead_letters;
  KeptFilter filter{};
  std::uint64_t limit = UINT64_MAX;  // of messages looked at
  /// The mapping for dead letters whose own is gone, or takes their topic no more. Empty: they
  /// stay.
  std::string instead{};
  bool dry_run = false;  // maps only: what the database would refuse is not seen
  std::size_t page_messages = 500;
  std::size_t page_bytes = 4U << 20;
  /// Asked between pages; false: that is enough for now.
  std::function<bool()> go_on{};
};

struct ReplayReport {
  std::uint64_t messages = 0;  // looked at: the sum of the next five
  std::uint64_t stored = 0;    // whole, and gone from the table
  std::uint64_t partly = 0;    // some rows stored, others refused
  std::uint64_t refused = 0;   // nothing fits
  std::uint64_t untaken = 0;   // no mapping of today is for them: they stay as they are
  std::uint64_t gone = 0;      // somebody else replayed or purged them meanwhile
  std::uint64_t rows = 0;      // stored in mapped tables
  std::uint64_t last = 0;      // the id of the last one looked at
  bool more = false;           // limit or go_on ended it before the end
  /// Why messages are not, or not whole, stored: the first 20 different reasons, and how often.
  std::map<std::string, std::uint64_t> reasons{};
  std::set<std::string> warnings{};  // what is stored, but not in a table of last rows
};

/// Connects to the sink. On an error, pages done before it stay done; to run it again goes on.
/// `instead` must be a mapping of the catalog.
SinkResult<ReplayReport> replay(Sink& sink, std::shared_ptr<const schema::Catalog> catalog,
                                const ReplayOptions& options);

struct PurgeOptions {
  Kept kept = Kept::dead_letters;
  KeptFilter filter{};
  std::uint64_t limit = UINT64_MAX;
  bool dry_run = false;
  std::function<bool()> go_on{};
};

struct PurgeReport {
  std::uint64_t messages = 0;  // removed for good; or, dry, would be
  std::uint64_t last = 0;      // as in ReplayReport
  bool more = false;
};

/// Page by page, a transaction each.
SinkResult<PurgeReport> purge(Sink& sink, const PurgeOptions& options);

}  // namespace rowgate::storage
