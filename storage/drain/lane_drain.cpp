#include "storage/drain/lane_drain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "storage/drain/automatic_columns.hpp"
#include "storage/drain/found_checkpoint.hpp"
#include "storage/drain/idle_looks.hpp"
#include "storage/drain/insert_batch.hpp"
#include "storage/drain/kept_births.hpp"
#include "storage/drain/latest_tables.hpp"
#include "storage/drain/maintenance.hpp"
#include "storage/drain/open_batch.hpp"
#include "storage/drain/outage.hpp"
#include "storage/drain/tell_settled.hpp"

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;
using Ticks = std::chrono::steady_clock::time_point;

/// How long a fill lasts at most before the lane looks at its other duties.
constexpr milliseconds idle_wait{250};
/// An idle lane's checkpoint follows the journal, so that its segments can go.
constexpr milliseconds idle_commit_after{1000};
constexpr std::uint64_t idle_commit_bytes = 16ULL << 20;
constexpr milliseconds flushed_every{500};
/// What the sink has for the last answers, after the time to drain is over.
constexpr milliseconds grace{1000};

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

struct LaneDrain::State {
  State(Journal& j, std::unique_ptr<SinkLane> s, DrainIdentity id, DrainOptions o, os::Clock& c,
        std::function<std::shared_ptr<const schema::Catalog>()> cat, LaneCounters& count,
        std::function<void(const std::string&)> w)
      : journal(j),
        sink(std::move(s)),
        identity(std::move(id)),
        options(std::move(o)),
        clock(c),
        catalog(std::move(cat)),
        counters(count),
        warn(std::move(w)),
        latest([this](const std::string& what) { warn_of_lane(what); }),
        maintenance(c, warn),
        batch(j, c, identity.gateway, identity.lane,
              {options.max_rows, options.max_bytes, options.max_age, options.store_unmapped,
               options.eager}),
        outage(c, Backoff(options.backoff_first, options.backoff_max, seed())),
        looks(c, seed()) {
    identity.lanes = journal.lanes();
  }

  std::uint64_t seed() const noexcept {
    return static_cast<std::uint64_t>(clock.now().micros) * 2654435761U + identity.lane.value;
  }
  void warn_of_lane(const std::string& what) {
    warn(fmt::format("lane {}: {}", identity.lane.value, what));
  }

  // Connecting.
  SinkResult<void> connect();
  SinkResult<void> resume(Position found);
  Rest reconnect();
  void lost(const std::string& message);
  /// The sink did what was asked, beyond merely answering: an outage is over.
  void took_it();

  // One commit.
  bool due() const noexcept;
  SinkResult<void> write();
  SinkResult<void> ensure_tables();
  void refuse_table(std::size_t table, const std::string& reason);
  void settle(Position to);
  /// The lane's publishes below `to` are committed.
  void tell_committed(Position to);
  void limit_rows(std::size_t rows);

  // The loop.
  Rest step(bool stopping, milliseconds linger);
  Rest commit_if_due();
  bool still_there();
  void handle(const SinkError& error);
  void read_flushed();
  void maintain();
  void begin_last_call(milliseconds linger);
  bool last_call_over() const noexcept;
  template <class Act>
  std::optional<DrainEnd> guarded(std::string& why, Act act);

  Journal& journal;
  std::unique_ptr<SinkLane> sink;
  DrainIdentity identity;
  DrainOptions options;
  os::Clock& clock;
  std::function<std::shared_ptr<const schema::Catalog>()> catalog;
  LaneCounters& counters;
  std::function<void(const std::string&)> warn;

  LatestTables latest;
  KeptBirths births{identity.gateway};
  Maintenance maintenance;
  OpenBatch batch;
  Outage outage;
  IdleLooks looks;
  bool connected = false;
  bool opened_before = false;
  Position checkpoint;                  // in the sink, as far as we know
  std::optional<Position> in_doubt_to;  // where an unanswered COMMIT would have moved it
  Position counted_to;                  // messages below are in the counters
  Position told_to;                     // the observer's `committed` stands here
  std::uint64_t mapped_rows = 0;        // in the batch being written, without refused ones
  Ticks committed_at{}, flushed_at{};
  Ticks filled_at{};   // when the fill at hand began
  Position filled_to;  // and where the batch ended then
  struct LastCall {
    Position durable;  // drain up to here
    Ticks deadline;
  };
  std::optional<LastCall> last_call;    // set once stop is requested
  std::atomic<Ticks> stop_by{Ticks{}};  // set with that request, by its thread
  std::size_t row_limit = options.max_rows;
  std::optional<DrainEnd> end;
  std::string error;
  std::unordered_map<std::string, std::string> refused_tables;  // name -> reason, warned of
};

// ---- Connecting ---------------------------------------------------------------------------------

SinkResult<void> LaneDrain::State::connect() {
  const SinkResult<Position> found = sink->open(identity, journal.first());
  if (!found) return found.error();
  return resume(*found);
}

SinkResult<void> LaneDrain::State::resume(Position found) {
  const bool at_doubt = in_doubt_to && found == *in_doubt_to;
  if (opened_before && !at_doubt && found > checkpoint)
    return SinkError{
        CommitOutcome::fenced,
        fmt::format(
            "lane {}: the checkpoint moved from {} to {} without us: another gateway "
            "drains under the name '{}'; stop one of them, or give it another `gateway` name",
            identity.lane.value, checkpoint.value, found.value, identity.gateway)};
  const auto before = opened_before ? std::optional(checkpoint) : std::nullopt;
  const auto told = go_on_from(journal, *sink, identity, found, before, options.accept_gap);
  if (!told) return told.error();
  if (!told->empty()) warn(*told);
  if (opened_before && at_doubt) settle(found);
  if (!opened_before) {
    counted_to = found;
    const Position from = std::max(found, journal.first());
    counters.recovered.store(journal.count(identity.lane, from), std::memory_order_relaxed);
  }
  in_doubt_to.reset();
  opened_before = true;
  births.reconnected();
  checkpoint = found;
  counters.checkpoint.store(found.value, std::memory_order_relaxed);
  batch.seek(std::max(found, journal.first()));
  committed_at = flushed_at = clock.ticks();
  connected = true;
  counters.connected.store(true, std::memory_order_relaxed);
  return {};
}

void LaneDrain::State::lost(const std::string& message) {
  connected = false;
  counters.connected.store(false, std::memory_order_relaxed);
  // It may come back with less than it had, and needs what the journal still holds then.
  counters.flushed.store(0, std::memory_order_relaxed);
  if (!outage.failed()) return;
  warn(fmt::format("lane {}: {}; trying again, messages are kept in the journal meanwhile",
                   identity.lane.value, message));
}

void LaneDrain::State::took_it() {
  if (const auto away = outage.over())
    warn_of_lane(fmt::format("the database is back after {}", *away));
}

Rest LaneDrain::State::reconnect() {
  const auto left = outage.pause(last_call ? std::optional(last_call->deadline) : std::nullopt);
  if (left.count() > 0) return {left, milliseconds(0)};
  if (outage.tries() > 0) add(counters.retries, 1);
  if (const auto opened = connect(); !opened) handle(opened.error());
  return {};
}

// ---- One commit ---------------------------------------------------------------------------------

bool LaneDrain::State::due() const noexcept {
  if (batch.messages() > 0) return true;
  if (batch.end() <= checkpoint) return false;
  return last_call || batch.end().value - checkpoint.value >= idle_commit_bytes ||
         clock.ticks() - committed_at >= idle_commit_after;
}

SinkResult<void> LaneDrain::State::ensure_tables() {
  schema::BatchSet& tables = batch.tables();
  const std::size_t mapped = tables.mapped();
  // Mapped tables come first, so the dead letters they cause find their table ensured after them.
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (i < mapped && tables.declared(i).latest_of) {  // its table comes before it
      if (const auto r = latest.ensure(*sink, tables, i); !r) return r;
      continue;
    }
    if (tables[i].rows() == 0) continue;
    const auto refused = [&](std::size_t row, const std::string& reason) {
      batch.refuse(i, row, reason);
    };
    const schema::Table& table = tables[i].table();
    SinkResult<bool> fits = false;
    if (i < mapped)
      fits = ensure_automatic(*sink, tables.declared(i), tables[i], refused);
    else if (const auto own = sink->ensure(table); !own)
      fits = own.error();
    if (fits && *fits) {  // the lane's columns have other types now: map the messages again
      const Position to = batch.end();
      batch.seek(std::max(checkpoint, journal.first()));
      batch.fill_up_to(to);
      return ensure_tables();
    }
    if (fits) {
      if (!refused_tables.empty()) refused_tables.erase(table.name);
      continue;
    }
    if (fits.error().outcome != CommitOutcome::row_rejected) return fits.error();
    // The gateway's own tables have nowhere else to put their rows: wait until they are mended.
    if (i >= mapped) return SinkError{CommitOutcome::retry, fits.error().message};
    refuse_table(i, fits.error().message);
  }
  return {};
}

void LaneDrain::State::refuse_table(std::size_t table, const std::string& reason) {
  schema::RowBatch& rows = batch.tables()[table];
  for (std::size_t i = 0; i < rows.rows(); ++i) batch.refuse(table, i, reason);
  rows.clear();
  std::string& warned = refused_tables[rows.table().name];
  if (warned == reason) return;
  warned = reason;
  warn(fmt::format("lane {}: {}; its messages go to rowgate_dead_letter until then",
                   identity.lane.value, reason));
}

SinkResult<void> LaneDrain::State::write() {
  latest.start();
  if (const auto r = ensure_tables(); !r) return r;
  for (const std::string& note : sink->take_notes()) warn(note);
  schema::BatchSet& tables = batch.tables();
  mapped_rows = 0;
  for (std::size_t i = 0; i < tables.mapped(); ++i)
    if (!tables.declared(i).latest_of) mapped_rows += tables[i].rows();

  if (const auto r = sink->begin(); !r) return r;
  auto done = insert_all(*sink, tables);
  if (done) done = sink->commit(checkpoint, batch.end());
  if (done || done.error().outcome != CommitOutcome::row_rejected) return done;

  sink->rollback();
  // Dead letters made by the bisection must find their table.
  if (const auto r = sink->ensure(tables.dead_letters().table()); !r)
    return SinkError{CommitOutcome::retry, r.error().message};
  if (const auto r = sink->begin(); !r) return r;
  done = insert_without_refused(*sink, batch, latest, mapped_rows);
  if (done) done = sink->commit(checkpoint, batch.end());
  if (!done && done.error().outcome == CommitOutcome::row_rejected)
    return SinkError{CommitOutcome::retry, done.error().message};
  return done;
}

/// The open batch is committed and the checkpoint is at `to`.
void LaneDrain::State::settle(Position to) {
  std::uint64_t count[3] = {};
  for (std::size_t i = 0; i < batch.messages(); ++i)
    // A database that forgot commits takes messages again that were counted before.
    if (batch.message(i).position >= counted_to.value)
      ++count[static_cast<std::size_t>(batch.fate(i))];
  add(counters.stored, count[static_cast<std::size_t>(Fate::stored)]);
  add(counters.dead_letter, count[static_cast<std::size_t>(Fate::dead_letter)]);
  add(counters.unmapped, count[static_cast<std::size_t>(Fate::unmapped)]);
  add(counters.rows, mapped_rows);
  add(counters.commits, 1);
  tell_settled(batch, counted_to, options.observer);
  add(counters.sequence_gaps, batch.sparkplug().gaps());
  counted_to = std::max(counted_to, to);
  checkpoint = to;
  counters.checkpoint.store(to.value, std::memory_order_relaxed);
  committed_at = clock.ticks();
  batch.clear();
  limit_rows(std::min(options.max_rows, row_limit + row_limit / 8 + 1));
  tell_committed(to);
  took_it();
}

void LaneDrain::State::tell_committed(Position to) {
  if (!options.observer.committed || to <= told_to) return;
  told_to = to;
  options.observer.committed(identity.lane, to);
}

void LaneDrain::State::limit_rows(std::size_t rows) {
  row_limit = rows;
  batch.limit_rows(rows);
}

// ---- The loop -----------------------------------------------------------------------------------

void LaneDrain::State::handle(const SinkError& trouble) {
  switch (trouble.outcome) {
    case CommitOutcome::fenced:
      end = DrainEnd::fenced;
      error = trouble.message;
      break;
    case CommitOutcome::fatal:
      end = DrainEnd::fatal;
      error = trouble.message;
      break;
    case CommitOutcome::in_doubt:
      in_doubt_to = batch.end();
      lost(trouble.message);
      break;
    case CommitOutcome::committed:
    case CommitOutcome::row_rejected:
    case CommitOutcome::retry:
      lost(trouble.message);
      break;
  }
}

void LaneDrain::State::read_flushed() {
  flushed_at = clock.ticks();
  const auto flushed = sink->flushed();
  if (!flushed) return handle(flushed.error());
  // Beyond ours it is another gateway's, of another journal's end; we are about to be fenced.
  counters.flushed.store(std::min(*flushed, checkpoint).value, std::memory_order_relaxed);
}

/// One lane does it for all, between its batches.
void LaneDrain::State::maintain() {
  if (identity.lane.value != 0 || last_call || batch.messages() > 0) return;
  const auto [rows, partitions] = maintenance.step(*sink, catalog());
  add(counters.expired_rows, rows);
  add(counters.expired_partitions, partitions);
  for (const std::string& note : sink->take_notes()) warn(note);
}

bool LaneDrain::State::last_call_over() const noexcept {
  return last_call && clock.ticks() >= last_call->deadline;
}

void LaneDrain::State::begin_last_call(milliseconds linger) {
  const Ticks by = stop_by;
  last_call = LastCall{journal.durable(), by == Ticks{} ? clock.ticks() + linger : by};
  outage.hurry();
}

Rest LaneDrain::State::step(bool stopping, milliseconds linger) {
  if (stopping && !last_call) begin_last_call(linger);
  if (last_call && (last_call_over() || (connected && checkpoint >= last_call->durable))) {
    if (connected) read_flushed();
    end = DrainEnd::stopped;
    return {};
  }
  if (!connected) return reconnect();
  if (!batch.filling()) {
    filled_at = clock.ticks();
    filled_to = batch.end();
    if (batch.messages() == 0) {
      if (const auto used = births.use(catalog(), *sink, batch); !used) {
        handle(used.error());
        return {};
      }
    }
  }
  if (last_call)
    batch.fill_up_to(last_call->durable);
  else if (const auto rest = batch.fill(idle_wait))
    return *rest;
  return commit_if_due();
}

/// A lane without commits would not notice that its database went back, or away.
bool LaneDrain::State::still_there() {
  if (!looks.due(committed_at)) return true;
  const auto there = look(*sink, checkpoint);
  if (!there) handle(there.error());
  return there.has_value();
}

Rest LaneDrain::State::commit_if_due() {
  Rest rest;
  if (batch.messages() == 0) tell_committed(batch.end());
  if (due()) {
    if (const auto written = write(); written) {
      settle(batch.end());
    } else {
      if (written.error().outcome != CommitOutcome::in_doubt) sink->rollback();
      // A batch that takes the database longer than its time limits would fail for ever.
      limit_rows(std::max<std::size_t>(row_limit / 2, 1));
      handle(fenced_or_back(*sink, checkpoint, written.error()));
      return rest;
    }
  } else if (batch.end() == filled_to) {
    if (!still_there()) return rest;
    took_it();  // connected, and there is nothing to commit
    // A journal that has stopped answers at once.
    if (clock.ticks() - filled_at < idle_wait / 2) rest.pause = idle_wait / 10;
  }
  maintain();
  const bool behind = counters.flushed.load(std::memory_order_relaxed) < checkpoint.value;
  if (behind && clock.ticks() - flushed_at >= flushed_every) read_flushed();
  return rest;
}

template <class Act>
std::optional<DrainEnd> LaneDrain::State::guarded(std::string& why, Act act) {
  try {
    act();
  } catch (const std::exception& e) {  // JournalCorrupt; out of memory
    sink->rollback();
    error = e.what();
    end = DrainEnd::fatal;
  }
  if (end) why = error;
  return end;
}

LaneDrain::LaneDrain(Journal& journal, std::unique_ptr<SinkLane> sink, DrainIdentity identity,
                     DrainOptions options, os::Clock& clock,
                     std::function<std::shared_ptr<const schema::Catalog>()> catalog,
                     LaneCounters& counters, std::function<void(const std::string&)> warn)
    : state_(std::make_unique<State>(journal, std::move(sink), std::move(identity), options, clock,
                                     std::move(catalog), counters, std::move(warn))) {}

LaneDrain::~LaneDrain() = default;

SinkResult<void> LaneDrain::open() {
  State& state = *state_;
  try {
    auto opened = state.connect();
    if (opened) {
      state.read_flushed();
    } else if (opened.error().outcome == CommitOutcome::retry) {
      state.outage.failed();  // the caller says it; run() says when it is back
      // Where the checkpoint is, only the sink knows: until then all that is not known to be
      // flushed counts as waiting.
      state.counters.recovered.store(
          state.journal.count(state.identity.lane, state.journal.trimmed()),
          std::memory_order_relaxed);
    }
    return opened;
  } catch (const std::exception& e) {
    return SinkError{CommitOutcome::fatal, e.what()};
  }
}

LaneDrain::Step LaneDrain::step(bool stopping, milliseconds linger, std::string& error) noexcept {
  Step done;
  done.end = state_->guarded(error, [&] { done.rest = state_->step(stopping, linger); });
  return done;
}

DrainEnd LaneDrain::run(std::stop_token stop, milliseconds linger, std::string& error) noexcept {
  State& state = *state_;
  state.end.reset();
  const std::stop_callback asked(stop, [&state, linger] {
    const Ticks by = state.clock.ticks() + linger;
    state.stop_by = by;
    state.sink->give_up_at(by + grace);
  });
  const auto round = [&] {
    const Rest rest = state.step(stop.stop_requested(), linger);
    // Once the last call runs, stop is requested for good and must not cut a rest short.
    if (!state.end) state.batch.rest(rest, state.last_call ? std::stop_token() : stop);
  };
  for (;;)
    if (const auto end = state.guarded(error, round)) return *end;
}

}  // namespace rowgate::storage
