#include "storage/drain/found_checkpoint.hpp"

#include <fmt/format.h>

#include "storage/journal/batch.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::storage {
namespace {

constexpr int batches_looked_at = 16;

/// When the first publish behind `from` came.
std::optional<Timestamp> received_at(Journal& journal, Position from) {
  for (int i = 0; i < batches_looked_at && from < journal.durable(); ++i) {
    const auto batch = journal.read(from, {}, std::chrono::milliseconds(0));
    if (!batch) break;
    RecordCursor cursor(*batch, from);
    RecordView record;
    while (cursor.next(record)) {
      if (record.type == RecordType::publish && in_range(record.publish.received_at)) {
        return record.publish.received_at;
      }
    }
    from = batch->end();
  }
  return std::nullopt;
}

/// " (received at 2026-...)", or nothing.
std::string received_text(Journal& journal, Position from) {
  const auto at = received_at(journal, from);
  return at ? fmt::format(" (received at {})", to_iso8601(*at)) : std::string();
}

/// When the database's checkpoint was moved last, in the database's own words; empty: not known.
std::string moved_at(SinkLane& sink, const DrainIdentity& identity) {
  if (!sink.begin()) return {};
  // The literal is one that both dialects read: plain quotes.
  const auto rows = sink.select(
      fmt::format("SELECT CAST(updated_at AS text) FROM rowgate_checkpoint WHERE gateway = {} AND "
                  "lane = {}",
                  text_literal(Dialect::sqlite, identity.gateway), identity.lane.value));
  sink.rollback();
  if (!rows || rows->rows.empty() || rows->rows.front().empty()) return {};
  return rows->rows.front().front().value_or(std::string());
}

/// Which messages the database lacks and the journal no longer has.
std::string missing(Journal& journal, SinkLane& sink, const DrainIdentity& identity,
                    Position found) {
  const std::string moved = moved_at(sink, identity);
  const Position first = journal.first();
  return fmt::format(
      "the database's checkpoint is {}{}, but the journal begins at {}{}: the database went back "
      "behind what was already deleted here (restored from a back-up?), so the messages between "
      "these two positions are missing",
      found.value, moved.empty() ? std::string() : fmt::format(" (of {})", moved), first.value,
      received_text(journal, first));
}

SinkError elsewhere(Position found, Position left) {
  return {CommitOutcome::retry, fmt::format("the database's checkpoint is {}, not {} where it was "
                                            "left",
                                            found.value, left.value)};
}

}  // namespace

SinkResult<void> look(SinkLane& sink, Position left) {
  const auto found = sink.checkpoint();
  if (!found) return found.error();
  if (*found != left) return elsewhere(*found, left);
  return {};
}

SinkError fenced_or_back(SinkLane& sink, Position left, SinkError error) {
  if (error.outcome != CommitOutcome::fenced) return error;
  const auto found = sink.checkpoint();
  if (!found || *found >= left) return error;
  return elsewhere(*found, left);
}

SinkResult<std::string> go_on_from(Journal& journal, SinkLane& sink, const DrainIdentity& identity,
                                   Position found, std::optional<Position> before,
                                   bool accept_gap) {
  const unsigned lane = identity.lane.value;
  if (found > journal.durable()) {
    return SinkError{
        CommitOutcome::fatal,
        fmt::format("lane {}: the database's checkpoint is {}, beyond the end of the journal at "
                    "{}: the data directory is an older copy. Put the newer one back. If that is "
                    "gone for good, set another `gateway` name: nothing is lost, but what this "
                    "copy still holds is stored a second time",
                    lane, found.value, journal.durable().value)};
  }
  const Position known = before ? *before : journal.trimmed();
  const Position first = journal.need(found);
  if (found < first) {
    const std::string what = missing(journal, sink, identity, found);
    if (!accept_gap) {
      return SinkError{CommitOutcome::fatal,
                       fmt::format("lane {}: {}. Restore a newer back-up, or go on without them: "
                                   "start with journal.on_gap = \"accept\"",
                                   lane, what)};
    }
    return fmt::format("lane {}: {}; going on without them, as journal.on_gap = \"accept\" says",
                       lane, what);
  }
  if (found >= known) return std::string();
  if (before) {
    return fmt::format(
        "lane {}: the database went back from position {} to {}; draining from there{} again, "
        "nothing is lost",
        lane, known.value, found.value, received_text(journal, found));
  }
  return fmt::format(
      "lane {}: the database's checkpoint is {}, although it had stored all up to {} (restored "
      "from a back-up, or another database?); draining from there{} again, nothing behind it is "
      "lost",
      lane, found.value, known.value, received_text(journal, found));
}

}  // namespace rowgate::storage
