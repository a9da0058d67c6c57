#include "gateway/cli/metrics.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "gateway/http/prometheus.hpp"

namespace rowgate::cli {
namespace {

using http::MetricType;

/// The one sample of a family without labels.
template <class T>
void single(http::MetricsText& text, const char* name, MetricType type, const char* help, T value) {
  text.family(name, type, help);
  text.sample(name, {}, value);
}

void ledger_states(http::MetricsText& text, const char* name, const LedgerLine& line,
                   const char* lane) {
  const auto sample = [&](const char* state, std::uint64_t value) {
    if (lane) {
      text.sample(name, {{"lane", lane}, {"state", state}}, value);
    } else {
      text.sample(name, {{"state", state}}, value);
    }
  };
  sample("received", line.received);
  sample("stored", line.stored);
  sample("dead_letter", line.dead_letter);
  sample("unmapped", line.unmapped);
  sample("dropped", line.dropped);
}

/// One family with a sample a lane.
template <class Read>
void per_lane(http::MetricsText& text, const char* name, MetricType type, const char* help,
              std::span<const storage::LaneCounters> lanes, Read read) {
  text.family(name, type, help);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    text.sample(name, {{"lane", std::to_string(i)}}, static_cast<std::uint64_t>(read(lanes[i])));
  }
}

void write_ledger(http::MetricsText& text, const broker::Broker& broker,
                  std::span<const storage::LaneCounters> lanes) {
  std::vector<LedgerLine> lines;
  LedgerLine sum;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const storage::Lane lane{static_cast<std::uint16_t>(i)};
    sum += lines.emplace_back(ledger_line(broker.ledger, lane, lanes[i]));
  }
  text.family("rowgate_ledger_messages_total", MetricType::counter,
              "Publishes by what became of them; received includes those found in the journal at "
              "start-up.");
  ledger_states(text, "rowgate_ledger_messages_total", sum, nullptr);
  single(text, "rowgate_ledger_journal_pending", MetricType::gauge,
         "Publishes in the journal that the sink has not committed yet.", sum.pending);
  text.family("rowgate_lane_messages_total", MetricType::counter, "The ledger of each lane.");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    ledger_states(text, "rowgate_lane_messages_total", lines[i], std::to_string(i).c_str());
  }
  text.family("rowgate_lane_pending", MetricType::gauge,
              "Publishes of the lane in the journal that the sink has not committed yet.");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text.sample("rowgate_lane_pending", {{"lane", std::to_string(i)}}, lines[i].pending);
  }
}

void write_lanes(http::MetricsText& text, std::span<const storage::LaneCounters> lanes) {
  using storage::LaneCounters;
  per_lane(text, "rowgate_lane_connected", MetricType::gauge,
           "1 while the sink takes what the lane asks of it.", lanes,
           [](const LaneCounters& c) { return c.connected.load() ? 1 : 0; });
  per_lane(text, "rowgate_lane_rows_total", MetricType::counter, "Rows committed to mapped tables.",
           lanes, [](const LaneCounters& c) { return c.rows.load(); });
  per_lane(text, "rowgate_lane_commits_total", MetricType::counter, "Transactions committed.",
           lanes, [](const LaneCounters& c) { return c.commits.load(); });
  per_lane(text, "rowgate_lane_retries_total", MetricType::counter,
           "Times the lane had to try the sink again.", lanes,
           [](const LaneCounters& c) { return c.retries.load(); });
  std::uint64_t expired_rows = 0;
  std::uint64_t expired_partitions = 0;
  for (const LaneCounters& lane : lanes) {
    expired_rows += lane.expired_rows.load();
    expired_partitions += lane.expired_partitions.load();
  }
  single(text, "rowgate_retention_rows_total", MetricType::counter,
         "Rows deleted because they were older than their table's retention.", expired_rows);
  single(text, "rowgate_retention_partitions_total", MetricType::counter,
         "Partitions dropped because all their rows were.", expired_partitions);
  per_lane(text, "rowgate_sparkplug_sequence_gaps_total", MetricType::counter,
           "Gaps in the sequence numbers of Sparkplug B edge nodes.", lanes,
           [](const LaneCounters& c) { return c.sequence_gaps.load(); });
  per_lane(text, "rowgate_lane_checkpoint_position", MetricType::gauge,
           "Journal position up to which the lane's rows are committed.", lanes,
           [](const LaneCounters& c) { return c.checkpoint.load(); });
}

void write_journal(http::MetricsText& text, const storage::Journal& journal) {
  single(text, "rowgate_journal_first_position", MetricType::gauge,
         "Oldest byte the journal still keeps.", journal.first().value);
  single(text, "rowgate_journal_durable_position", MetricType::gauge,
         "Everything below is on disk.", journal.durable().value);
  single(text, "rowgate_journal_appended_position", MetricType::gauge,
         "Everything below was taken in.", journal.appended().value);
  single(text, "rowgate_journal_disk_bytes", MetricType::gauge, "Disk used by journal segments.",
         journal.disk_bytes());
  single(
      text, "rowgate_journal_retained_bytes", MetricType::gauge,
      "Disk used by segments that are drained and flushed and kept all the same, as journal.keep "
      "says.",
      journal.retained_bytes());
  single(text, "rowgate_journal_commits_total", MetricType::counter,
         "Journal commits: each one write and one fdatasync.", journal.commits());
}

void write_listener(http::MetricsText& text, const broker::Broker& broker) {
  const broker::BrokerCounters& c = broker.counters;
  single(text, "rowgate_connections", MetricType::gauge, "Clients connected now.",
         c.connections.load());
  single(text, "rowgate_connects_total", MetricType::counter, "CONNECTs accepted.",
         c.connects.load());
  single(text, "rowgate_refused_total", MetricType::counter, "Connections refused.",
         c.refused.load());
  single(text, "rowgate_protocol_errors_total", MetricType::counter,
         "Connections closed because of what the client sent.", c.protocol_errors.load());
  single(text, "rowgate_take_overs_total", MetricType::counter,
         "Sessions taken over by a new connection of the same client.", c.take_overs.load());
  single(text, "rowgate_keep_alive_timeouts_total", MetricType::counter,
         "Connections closed because the client fell silent.", c.keep_alive_timeouts.load());
  single(text, "rowgate_rejected_publishes_total", MetricType::counter,
         "Publishes refused, for whatever reason.", c.rejected_publishes.load());
  single(text, "rowgate_held_back_total", MetricType::counter,
         "Times a client had to wait because it published faster than it may.", c.held_back.load());
  single(text, "rowgate_invalid_payloads_total", MetricType::counter,
         "Publishes refused: their payload is not the text that it is said to be.",
         c.invalid_payloads.load());
  single(text, "rowgate_not_retained_total", MetricType::counter,
         "Publishes whose message found no room among the retained ones.", c.not_retained.load());
  single(text, "rowgate_wills_total", MetricType::counter, "Wills published.", c.wills.load());
  single(text, "rowgate_expired_sessions_total", MetricType::counter,
         "Sessions that ended because their client stayed away.", c.expired_sessions.load());
  single(text, "rowgate_quota_exceeded_total", MetricType::counter,
         "Publishes of MQTT 5 clients refused because the journal was full for longer than "
         "mqtt.max_journal_wait.",
         c.quota_exceeded.load());
  single(text, "rowgate_stalls_total", MetricType::counter,
         "Times a publisher had to wait for room in the journal.", c.stalls.load());
  single(text, "rowgate_live_delivered_total", MetricType::counter,
         "Live copies sent to subscribers.", c.delivered.load());
  single(text, "rowgate_live_undelivered_total", MetricType::counter,
         "Live copies dropped because a subscriber was too slow.", c.undelivered.load());
  single(text, "rowgate_sessions", MetricType::gauge, "Sessions, connected or not.",
         static_cast<std::uint64_t>(broker.registry.size()));
  single(text, "rowgate_mapping_generation", MetricType::gauge,
         "Counts up with each mapping that came into force.", broker.catalog.generation());
}

void write_security(http::MetricsText& text, const broker::Broker& broker) {
  const broker::BrokerCounters& c = broker.counters;
  text.family("rowgate_denied_total", MetricType::counter,
              "What the access control list, or a reserved topic, did not allow.");
  text.sample("rowgate_denied_total", {{"access", "publish"}}, c.denied_publishes.load());
  text.sample("rowgate_denied_total", {{"access", "subscribe"}}, c.denied_subscriptions.load());
  if (broker.authenticator == nullptr) return;
  const auto counts = broker.authenticator->counts();
  text.family("rowgate_authentications_total", MetricType::counter, "CONNECTs checked, by result.");
  text.sample("rowgate_authentications_total", {{"result", "accepted"}}, counts.accepted);
  text.sample("rowgate_authentications_total", {{"result", "refused"}}, counts.refused);
  text.sample("rowgate_authentications_total", {{"result", "busy"}}, counts.busy);
  single(text, "rowgate_password_hashes_total", MetricType::counter,
         "Passwords hashed; one that was right a short while ago is not hashed again.",
         counts.hashed);
}

void write_delivery(http::MetricsText& text, const broker::DispatchCounters& c) {
  single(text, "rowgate_delivery_sent_total", MetricType::counter,
         "Copies handed to subscribers' connections, sent again included.", c.sent.load());
  text.family("rowgate_delivery_dropped_total", MetricType::counter,
              "Copies that their subscriber will not get, by reason.");
  text.sample("rowgate_delivery_dropped_total", {{"reason", "queue_full"}}, c.queue_full.load());
  text.sample("rowgate_delivery_dropped_total", {{"reason", "expired"}}, c.expired.load());
  text.sample("rowgate_delivery_dropped_total", {{"reason", "too_large"}}, c.too_large.load());
  single(text, "rowgate_delivery_durable_sessions", MetricType::gauge,
         "Sessions that outlive their connections.", c.sessions.load());
  single(text, "rowgate_delivery_subscriptions", MetricType::gauge, "Subscriptions in force.",
         c.subscriptions.load());
  single(text, "rowgate_delivery_shared_groups", MetricType::gauge,
         "Shared subscriptions with a member.", c.shared_groups.load());
  single(text, "rowgate_delivery_queued_messages", MetricType::gauge,
         "Copies at QoS 1 and 2 that wait or are in flight.", c.queued_messages.load());
  single(text, "rowgate_delivery_queued_bytes", MetricType::gauge, "What they take.",
         c.queued_bytes.load());
}

void write_process(http::MetricsText& text) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  single(text, "process_cpu_seconds_total", MetricType::counter, "CPU time, user and system.",
         seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

}  // namespace

LedgerLine& LedgerLine::operator+=(const LedgerLine& other) noexcept {
  received += other.received;
  stored += other.stored;
  dead_letter += other.dead_letter;
  unmapped += other.unmapped;
  dropped += other.dropped;
  pending += other.pending;
  return *this;
}

LedgerLine ledger_line(const broker::Ledger& ledger, storage::Lane lane,
                       const storage::LaneCounters& counters) noexcept {
  LedgerLine line;
  // What is settled is read first: what comes in meanwhile then counts as pending, never as a debt.
  line.stored = counters.stored.load();
  line.dead_letter = counters.dead_letter.load();
  line.unmapped = counters.unmapped.load();
  const auto arrived = ledger.counts(lane);
  line.dropped = arrived.dropped;
  const std::uint64_t settled = line.stored + line.dead_letter + line.unmapped + line.dropped;
  // An I/O thread counts a publish just after its append: a lane may, rarely, have been quicker.
  line.received = std::max(arrived.received + counters.recovered.load(), settled);
  line.pending = line.received - settled;
  return line;
}

std::string metrics_text(const broker::Broker& broker, const broker::DispatchCounters& dispatch,
                         std::span<const storage::LaneCounters> lanes) {
  http::MetricsText text;
  write_ledger(text, broker, lanes);
  write_lanes(text, lanes);
  write_journal(text, broker.journal);
  write_listener(text, broker);
  write_security(text, broker);
  write_delivery(text, dispatch);
  write_process(text);
  return text.take();
}

}  // namespace rowgate::cli
