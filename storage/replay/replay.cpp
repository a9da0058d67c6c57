#include "storage/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "storage/drain/backoff.hpp"
#include "storage/replay/kept_pages.hpp"
#include "storage/replay/page.hpp"

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;

// For a database that is locked for a moment, or picked us to end a deadlock.
constexpr unsigned most_tries = 8;
constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{1000};

/// Connected, to a database that is there: a mistyped SQLite file is not made.
SinkResult<std::unique_ptr<SinkLane>> connect(Sink& sink) {
  if (const auto there = sink.query("SELECT 1"); !there) return there.error();
  auto lane = sink.lane(Lane{});
  if (const auto connected = lane->connect(); !connected) return connected.error();
  return lane;
}

/// Runs `page`, which leaves nothing behind where it fails, until it is through.
template <class Page>
SinkResult<void> try_page(SinkLane& lane, const Page& page) {
  Backoff backoff(first_pause, longest_pause, 1);
  for (unsigned tries = 1;; ++tries) {
    const auto done = page();
    if (done) return done;
    lane.rollback();
    if (done.error().outcome == CommitOutcome::in_doubt)
      return SinkError{CommitOutcome::in_doubt,
                       done.error().message +
                           "; whether the last page is stored is not known: run "
                           "it again, which takes only what is left"};
    if (done.error().outcome != CommitOutcome::retry || tries == most_tries) return done;
    std::this_thread::sleep_for(backoff.next());
  }
}

/// Every page of ids; false from `go_on` ends it.
template <class Report, class Page>
SinkResult<void> walk(SinkLane& lane, KeptPages& pages, const std::function<bool()>& go_on,
                      Report& report, const Page& page) {
  if (const auto opened = pages.open(); !opened) return opened;
  for (;;) {
    const auto ids = pages.next();
    if (!ids) return ids.error();
    if (ids->empty()) break;
    const auto done = try_page(lane, [&] { return page(*ids); });
    if (!done) return done;
    report.last = ids->back();
    if (go_on && !go_on()) {
      report.more = true;
      break;
    }
  }
  report.more = report.more || pages.cut();
  return {};
}

SinkResult<void> replay_page(SinkLane& lane, ReplayPage& page,
                             const std::vector<std::uint64_t>& ids, bool dry_run) {
  if (const auto read = page.read(ids, false); !read || dry_run) return read;
  if (const auto fits = page.ensure_tables(); !fits) return fits;
  for (const bool apart : {false, true}) {
    if (const auto begun = lane.begin(); !begun) return begun;
    auto done = page.read(ids, true);
    if (done) done = apart ? page.insert_apart() : page.insert_together();
    if (done) done = page.settle();
    if (done) done = lane.commit_without_checkpoint();
    if (done || apart || done.error().outcome != CommitOutcome::row_rejected) return done;
    lane.rollback();
  }
  return {};
}

SinkResult<void> purge_page(SinkLane& lane, const KeptSql& sql, const KeptFilter& filter,
                            const std::vector<std::uint64_t>& ids, std::uint64_t& removed) {
  const TopicFilter topics(filter.topic);
  if (const auto begun = lane.begin(); !begun) return begun;
  const auto found = lane.select(sql.lock(ids, filter));
  if (!found) return found.error();
  std::vector<std::uint64_t> matching;
  for (const auto& row : found->rows)
    if (const auto id = sql.parse_id(row[0].value_or("")); id && topics.takes(row[1].value_or("")))
      matching.push_back(*id);
  std::uint64_t changed = 0;
  if (!matching.empty()) {
    const auto done = lane.execute(sql.remove(matching));
    if (!done) return done.error();
    changed = *done;
  }
  const auto committed = lane.commit_without_checkpoint();
  if (committed) removed += changed;
  return committed;
}

}  // namespace

SinkResult<ReplayReport> replay(Sink& sink, std::shared_ptr<const schema::Catalog> catalog,
                                const ReplayOptions& options) {
  auto lane = connect(sink);
  if (!lane) return lane.error();
  const KeptSql sql(sink.dialect(), options.kept);
  KeptPages pages(**lane, sql, options.filter,
                  {options.page_messages, options.page_bytes, options.limit});
  ReplayPage page(**lane, sql, std::move(catalog), options);
  ReplayReport report;
  const auto done = walk(**lane, pages, options.go_on, report,
                         [&](const std::vector<std::uint64_t>& ids) -> SinkResult<void> {
                           auto replayed = replay_page(**lane, page, ids, options.dry_run);
                           if (replayed) page.count(report);
                           return replayed;
                         });
  if (!done) return done.error();
  return report;
}

SinkResult<PurgeReport> purge(Sink& sink, const PurgeOptions& options) {
  auto lane = connect(sink);
  if (!lane) return lane.error();
  const KeptSql sql(sink.dialect(), options.kept);
  KeptPages pages(**lane, sql, options.filter, {1000, SIZE_MAX, options.limit});
  PurgeReport report;
  const auto done = walk(**lane, pages, options.go_on, report,
                         [&](const std::vector<std::uint64_t>& ids) -> SinkResult<void> {
                           if (!options.dry_run)
                             return purge_page(**lane, sql, options.filter, ids, report.messages);
                           report.messages += ids.size();
                           return {};
                         });
  if (!done) return done.error();
  return report;
}

}  // namespace rowgate::storage
