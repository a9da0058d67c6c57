#pragma once
// What GET /metrics says: the ledger, the lanes, the journal, the listener. Names are fixed, since
// dashboards rely on them; docs/operations.md explains each.
#include <cstdint>
#include <span>
#include <string>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/dispatch.hpp"
#include "storage/drain/lane_drain.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::cli {

/// received = stored + dead_letter + unmapped + dropped + pending.
struct LedgerLine {
  std::uint64_t received = 0;
  std::uint64_t stored = 0;
  std::uint64_t dead_letter = 0;
  std::uint64_t unmapped = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;  // in the journal, not yet committed to the sink

  LedgerLine& operator+=(const LedgerLine& other) noexcept;
};

/// Any thread. Never shows more settled than received, whatever happens meanwhile.
LedgerLine ledger_line(const broker::Ledger& ledger, storage::Lane lane,
                       const storage::LaneCounters& counters) noexcept;

/// `lanes[i]` are lane i's counters. Any thread.
std::string metrics_text(const broker::Broker& broker, const broker::DispatchCounters& dispatch,
                         std::span<const storage::LaneCounters> lanes);

}  // namespace rowgate::cli
