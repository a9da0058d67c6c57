#include "gateway/cli/own_messages.hpp"

#include <malloc.h>

#include <utility>

#include "gateway/cli/metrics.hpp"
#include "gateway/cli/version.hpp"
#include "gateway/http/prometheus.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::cli {
namespace {

broker::Receipts::State state_of(storage::Fate fate) {
  switch (fate) {
    case storage::Fate::stored:
      return broker::Receipts::State::stored;
    case storage::Fate::dead_letter:
      return broker::Receipts::State::dead_letter;
    case storage::Fate::unmapped:
      break;
  }
  return broker::Receipts::State::unmapped;
}

}  // namespace

OwnMessages::OwnMessages(const config::Config& config, storage::Journal& journal,
                         const broker::LiveCatalog& catalog, broker::Ledger& ledger)
    : ack_at_database_(config.mqtt.ack == config::AckAt::database),
      sys_interval_(config.mqtt.sys_interval),
      catalog_(catalog),
      arrival_check_(catalog, ledger_threads),
      committed_(journal.lanes()),
      receipts_(journal),
      presence_(journal, catalog, ledger, ledger_threads - 1, os::system_clock()),
      rebirths_(os::system_clock()) {}

void OwnMessages::observe(storage::DrainOptions& options, std::function<void()> wake) {
  options.observer.wants = [](std::string_view properties) {
    return broker::Receipts::wanted(properties);
  };
  options.observer.settled = [this](const storage::Settled& what) {
    receipts_.tell(what.message, state_of(what.fate), what.reason, what.table);
    if (catalog_.get()->machbase) {
      receipts_.reply(what.message, state_of(what.fate), what.reason);
    }
  };
  options.observer.rebirth = [this](std::string_view node) { rebirths_.ask(node); };
  if (!ack_at_database_) return;
  options.eager = true;
  options.observer.committed = [this, wake = std::move(wake)](storage::Lane lane,
                                                              storage::Position to) {
    committed_.moved(lane, to);
    wake();
  };
}

void OwnMessages::join(broker::Broker& broker) {
  broker_ = &broker;
  broker.arrival_check = &arrival_check_;
  broker.presence = &presence_;
  rebirths_.publish_by(broker::publish_live(broker.inbox));
  if (ack_at_database_) broker.committed = &committed_;
  if (sys_interval_.count() > 0) {
    sys_.emplace(broker::publish_retained(broker.retained, broker.inbox), version,
                 os::system_clock().ticks());
  }
}

void OwnMessages::tick(const broker::DispatchCounters& dispatch,
                       std::span<const storage::LaneCounters> lanes) {
  receipts_.retry();
  presence_.retry();
  const auto now = os::system_clock().ticks();
  if (!sys_ || now < sys_due_) return;
  sys_->update(count(dispatch, lanes), now);
  sys_due_ = now + sys_interval_;
}

std::string OwnMessages::metrics_text() const {
  http::MetricsText text;
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    text.family(name, http::MetricType::counter, help);
    text.sample(name, {}, value);
  };
  counter("rowgate_receipts_total", "Receipts sent.", receipts_.told());
  counter("rowgate_receipts_given_up_total",
          "Receipts not sent because the journal had no room for long.", receipts_.given_up());
  counter("rowgate_presence_events_total", "Presence events taken into the journal.",
          presence_.recorded());
  counter("rowgate_presence_events_given_up_total",
          "Presence events lost because the journal had no room for long.", presence_.given_up());
  counter("rowgate_sparkplug_rebirths_total", "Rebirth requests sent to Sparkplug B edge nodes.",
          rebirths_.asked());
  return text.take();
}

broker::SysCounts OwnMessages::count(const broker::DispatchCounters& dispatch,
                                     std::span<const storage::LaneCounters> lanes) const {
  const broker::BrokerCounters& counters = broker_->counters;
  broker::SysCounts counts;
  counts.clients_connected = counters.connections.load();
  const std::uint64_t sessions = broker_->registry.size();
  counts.clients_disconnected =
      sessions > counts.clients_connected ? sessions - counts.clients_connected : 0;
  counts.clients_expired = counters.expired_sessions.load();
  counts.connections = counters.connects.load();
  counts.sockets = counters.connects.load() + counters.refused.load();
  counts.subscriptions = dispatch.subscriptions.load();
  counts.shared_subscriptions = dispatch.shared_groups.load();
  counts.retained_messages = broker_->retained.size();
  counts.stored_messages = dispatch.queued_messages.load() + counts.retained_messages;
  counts.stored_bytes = dispatch.queued_bytes.load() + broker_->retained.bytes();
  counts.heap_bytes = mallinfo2().uordblks;
  counts.publishes_dropped = counters.undelivered.load() + dispatch.queue_full.load() +
                             dispatch.expired.load() + dispatch.too_large.load();
  counts.traffic = broker_->ledger.traffic();
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const LedgerLine line =
        ledger_line(broker_->ledger, storage::Lane{static_cast<std::uint16_t>(i)}, lanes[i]);
    counts.received += line.received;
    counts.stored += line.stored;
    counts.dead_letter += line.dead_letter;
    counts.unmapped += line.unmapped;
    counts.dropped += line.dropped;
    counts.pending += line.pending;
  }
  const storage::Journal& journal = broker_->journal;
  counts.journal_disk_bytes = journal.disk_bytes();
  counts.journal_commits = journal.commits();
  counts.journal_first = journal.first().value;
  counts.journal_durable = journal.durable().value;
  return counts;
}

}  // namespace rowgate::cli
