#include "storage/replay/kept_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace rowgate::storage {
namespace {

constexpr std::size_t fetched_at_once = 1000;

}  // namespace

KeptPages::KeptPages(SinkLane& lane, const KeptSql& sql, const KeptFilter& filter, Limits limits)
    : lane_(lane), sql_(sql), filter_(filter), limits_(limits), topics_(filter.topic) {}

// SQLite keeps a row's id when it changes the row, so the greatest id now is a fence. PostgreSQL
// moves a row that it changes: there a cursor holds the ids.
SinkResult<void> KeptPages::open() {
  if (sql_.dialect() == Dialect::postgres) {
    const auto held = lane_.execute(
        fmt::format("DECLARE rowgate_kept NO SCROLL CURSOR WITH HOLD FOR SELECT ctid, topic, "
                    "octet_length(payload) FROM {}{} ORDER BY ctid",
                    sql_.table(), sql_.where(filter_)));
    if (!held) return held.error();
    return {};
  }
  const auto last =
      lane_.select(fmt::format("SELECT coalesce(max(rowid), 0) FROM {}", sql_.table()));
  if (!last) return last.error();
  const auto id = last->rows.empty() ? std::nullopt : sql_.parse_id(last->rows[0][0].value_or(""));
  filter_.before = std::min(filter_.before, id.value_or(0) + 1);
  return {};
}

SinkResult<void> KeptPages::fetch() {
  const bool held = sql_.dialect() == Dialect::postgres;
  const auto found = lane_.select(
      held ? fmt::format("FETCH {} FROM rowgate_kept", fetched_at_once)
           : fmt::format("SELECT rowid, topic, length(payload) FROM {}{} ORDER BY rowid LIMIT {}",
                         sql_.table(), sql_.where(filter_), fetched_at_once));
  if (!found) return found.error();
  fetched_all_ = found->rows.size() < fetched_at_once;
  for (const auto& row : found->rows) {
    const auto id = sql_.parse_id(row[0].value_or(""));
    if (!id)
      return SinkError{CommitOutcome::fatal,
                       sql_.table() + ": not an id: " + row[0].value_or("NULL")};
    filter_.after = *id;
    if (!topics_.takes(row[1].value_or(""))) continue;
    waiting_.push_back({*id, std::strtoull(row[2].value_or("0").c_str(), nullptr, 10)});
  }
  return {};
}

SinkResult<std::vector<std::uint64_t>> KeptPages::next() {
  std::vector<std::uint64_t> page;
  std::size_t bytes = 0;
  while (page.size() < limits_.messages) {
    if (waiting_.empty()) {
      if (fetched_all_) break;
      if (const auto fetched = fetch(); !fetched) return fetched.error();
      continue;
    }
    if (given_ >= limits_.total) {
      cut_ = true;
      break;
    }
    const Entry& first = waiting_.front();
    if (!page.empty() && bytes + first.bytes > limits_.bytes) break;
    bytes += first.bytes;
    page.push_back(first.id);
    waiting_.pop_front();
    ++given_;
  }
  return page;
}

}  // namespace rowgate::storage
