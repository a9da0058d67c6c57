#pragma once
// What the gateway says of its own accord: receipts, presence, the $SYS topics, rebirth requests,
// refusals on arrival, and acknowledgements that wait for the database. Owns those parts and joins
// them to the lanes, the sessions and the clock. Public functions on the main thread; what they
// hand out runs on the lanes and the I/O threads.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "gateway/broker/arrival_check.hpp"
#include "gateway/broker/broker.hpp"
#include "gateway/broker/committed_positions.hpp"
#include "gateway/broker/dispatch.hpp"
#include "gateway/broker/presence.hpp"
#include "gateway/broker/rebirths.hpp"
#include "gateway/broker/receipts.hpp"
#include "gateway/broker/sys_topics.hpp"
#include "gateway/config/config.hpp"
#include "storage/drain/lane_drain.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::cli {

class OwnMessages {
 public:
  /// I/O threads in the ledger, and one more: this one's.
  static constexpr std::size_t ledger_threads = 256;

  /// All but `config` outlive it. `ledger` has ledger_threads.
  OwnMessages(const config::Config& config, storage::Journal& journal,
              const broker::LiveCatalog& catalog, broker::Ledger& ledger);

  /// The lanes' end, before they start. `wake`: acknowledgements may be due now.
  void observe(storage::DrainOptions& options, std::function<void()> wake);
  /// The sessions' end, before the I/O threads start. The Broker outlives it.
  void join(broker::Broker& broker);
  /// About ten times a second.
  void tick(const broker::DispatchCounters& dispatch, std::span<const storage::LaneCounters> lanes);

  /// Its part of GET /metrics. Any thread.
  std::string metrics_text() const;

 private:
  broker::SysCounts count(const broker::DispatchCounters& dispatch,
                          std::span<const storage::LaneCounters> lanes) const;

  const bool ack_at_database_;
  const std::chrono::seconds sys_interval_;  // 0: no $SYS topics
  const broker::LiveCatalog& catalog_;
  broker::ArrivalCheck arrival_check_;
  broker::CommittedPositions committed_;
  broker::Receipts receipts_;
  broker::Presence presence_;
  broker::Rebirths rebirths_;
  broker::Broker* broker_ = nullptr;
  std::optional<broker::SysTopics> sys_;
  broker::SysTopics::Ticks sys_due_{};
};

}  // namespace rowgate::cli
