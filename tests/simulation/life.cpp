// The gateway's life: how it starts, ends and dies, what must hold meanwhile, and how all is healed
// and drained at the end.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "tests/simulation/world.hpp"

namespace rowgate::simulation {

using std::chrono::milliseconds;
using storage::Lane;
using storage::Position;
using Step = storage::SegmentedJournal::Step;

namespace {

/// Nobody else's number.
constexpr std::size_t last_client = 99;

struct Ledger {
  std::uint64_t received = 0;
  std::uint64_t settled = 0;
};

Ledger ledger_of(const Gateway& gateway, Lane lane) {
  const storage::LaneCounters& counters = gateway.lanes().counters(lane);
  const auto arrived = gateway.ledger().counts(lane);
  return {arrived.received + counters.recovered,
          counters.stored + counters.dead_letter + counters.unmapped + arrived.dropped};
}

}  // namespace

void World::boot() {
  // The copy of a journal that the second one has keeps its lanes, and so must this one.
  if (!second_) options_.journal.lanes = static_cast<std::uint16_t>(random_.between(1, 3));
  // The fault may come while it starts.
  if (weights_[static_cast<std::size_t>(Act::die)] > 0 && random_.one_in(6)) {
    fate_.die_in(random_.between(1, 20));
  }
  client_of_.clear();
  try {
    gateway_ = std::make_unique<Gateway>(
        machine_, fate_, options_,
        [this](std::uint32_t slot, std::string_view bytes) { hear(slot, bytes); });
  } catch (const Violation&) {
    throw;
  } catch (const std::exception& e) {
    trace_.add(Event::no_boot);
    if (fate_.dead() || fate_.failed()) return gone(fate_.dead() && random_.one_in(2));
    if (second_) return end_second_gateway();
    throw Violation(fmt::format("the gateway does not start: {}", e.what()));
  }
  storage::SegmentedJournal& journal = gateway_->journal();
  messages_.begin_life();
  trace_.add(Event::boot, journal.first().value, journal.durable().value, journal.lanes());
  aftermath();
  check();
}

void World::commit() {
  if (journal_ended_) return;
  storage::SegmentedJournal& journal = gateway_->journal();
  if (gateway_->commit() == Step::ended) {
    if (!fate_.dead() && !fate_.failed()) throw Violation("the journal stopped by itself");
    trace_.add(Event::journal_failed, journal.durable().value);
    journal_ended_ = must_end_ = true;
    return;
  }
  trace_.add(Event::commit, journal.durable().value, journal.appended().value);
}

/// As DispatchLoop::run(): what goes wrong ends the gateway.
void World::dispatch(bool save) {
  if (dispatch_ended_) return;
  try {
    gateway_->dispatch();
    dispatch_ended_ = save && !gateway_->save_sessions();
  } catch (const std::runtime_error& e) {
    if (!fate_.dead() && !fate_.failed()) throw Violation(e.what());
    dispatch_ended_ = true;
  }
  must_end_ = must_end_ || dispatch_ended_;
}

void World::lane_ended(const Lanes::Ended& ended) {
  trace_.add(Event::lane_ended, ended.lane.value, static_cast<std::uint64_t>(ended.how));
  must_end_ = true;
  lanes_ended_ |= 1U << ended.lane.value;
  const bool excused =
      fate_.dead() || fate_.failed() || (ended.how == storage::DrainEnd::fenced && fenced_);
  if (!excused) {
    throw Violation(fmt::format("lane {} ended: {}", ended.lane.value, ended.why));
  }
}

void World::aftermath() {
  if (!gateway_) return;
  if (fate_.dead()) return gone(random_.one_in(2));
  // What has to end may go on for a moment: its threads find out one after the other.
  if (must_end_ && random_.one_in(4)) gone(random_.one_in(3));
}

void World::gone(bool power_cut) {
  trace_.add(power_cut ? Event::power_cut : Event::kill);
  fate_.end();
  gateway_.reset();
  for (Device& device : devices_) device.lose_connection();
  for (Subscriber& subscriber : subscribers_) subscriber.lose_connection();
  if (power_cut) machine_.disk = machine_.disk.crash_clone(random_.next());
  fate_.begin_anew();
  must_end_ = journal_ended_ = dispatch_ended_ = false;
  fenced_ = second_ != nullptr;
  lanes_ended_ = 0;
  dropped_ = {};
}

// ---- The end that SIGTERM asks for --------------------------------------------------------------

bool World::commit_all() {
  const storage::SegmentedJournal& journal = gateway_->journal();
  while (!must_end_ && !fate_.dead() && journal.durable() < journal.appended()) {
    commit();
    if (!fate_.dead()) messages_.look_at(gateway_->journal());
  }
  return !must_end_ && !fate_.dead();
}

bool World::drain_all() {
  std::uint32_t left = (1U << gateway_->lanes().count()) - 1;
  while (left != 0) {
    for (std::uint16_t i = 0; i < gateway_->lanes().count(); ++i) {
      if ((left & 1U << i) == 0) continue;
      const auto ended = gateway_->drain_the_rest({i});
      if (fate_.dead()) return false;
      if (!ended) continue;
      left &= ~(1U << i);
      if (ended->how != storage::DrainEnd::stopped) lane_ended(*ended);
    }
    machine_.clock.advance(milliseconds(100));
  }
  return !must_end_;
}

bool World::stop_in_order() {
  if (!commit_all()) return false;
  gateway_->io_turn();
  gateway_->quiesce();
  for (int i = 0; i < 10; ++i) {
    if (!commit_all()) return false;
    dispatch(i == 9);
  }
  if (must_end_ || !drain_all()) return false;
  gateway_->close();
  return !fate_.dead();
}

void World::graceful_stop() {
  if (second_) end_second_gateway();
  if (stop_in_order()) {
    const storage::SegmentedJournal& journal = gateway_->journal();
    trace_.add(Event::stopped, journal.durable().value, journal.first().value);
  }
  gone(random_.one_in(3));
}

// ---- A second gateway with the same identity ----------------------------------------------------

/// On a copy of the first one's disk, as it happens when a machine is copied: it drains what it has
/// there. Devices do not know of it.
void World::step_second_gateway() {
  fate_.look_away(true);
  if (!second_) {
    if (!gateway_ || must_end_) return fate_.look_away(false);
    trace_.add(Event::second_gateway, gateway_->journal().durable().value);
    second_ = std::make_unique<Second>(Second{machine_.disk.clone(), nullptr, nullptr});
    second_->journal = storage::Journal::open(second_->disk.directory(), options_.journal);
    try {
      second_->lanes =
          std::make_unique<Lanes>(machine_, *second_->journal, options_.drain, nullptr);
    } catch (const std::runtime_error&) {
      // The database's checkpoint may lie beyond the copy by now.
    }
    fenced_ = true;
  }
  bool over = second_->lanes == nullptr;
  for (std::uint16_t i = 0; !over && i < second_->lanes->count(); ++i) {
    const auto ended = second_->lanes->step({i}, false);
    over = ended.has_value();
  }
  fate_.look_away(false);
  if (over) end_second_gateway();
}

void World::end_second_gateway() {
  trace_.add(Event::second_ended);
  second_.reset();
}

// ---- What must hold -----------------------------------------------------------------------------

void World::check() {
  if (!gateway_) return;
  storage::SegmentedJournal& journal = gateway_->journal();
  if (journal.durable() > journal.appended()) throw Violation("durable beyond what is appended");
  if (journal.first() > journal.durable()) throw Violation("trimmed beyond what is durable");
  fate_.look_away(true);
  messages_.look_at(journal);
  for (std::uint16_t i = 0; i < journal.lanes(); ++i) check_lane({i});
  fate_.look_away(false);
}

void World::check_lane(Lane lane) {
  const storage::SegmentedJournal& journal = gateway_->journal();
  const Position durable = journal.durable();
  if (gateway_->lanes().counters(lane).checkpoint > durable.value) {
    throw Violation(fmt::format("lane {}: a checkpoint beyond what is durable", lane.value));
  }
  const auto checkpoint = machine_.database.checkpoint(lane);
  if (checkpoint && *checkpoint > durable) {
    throw Violation(fmt::format("lane {}: the database's checkpoint {} is beyond durable {}",
                                lane.value, checkpoint->value, durable.value));
  }
  const auto flushed = machine_.database.flushed_checkpoint(lane);
  if (flushed && *flushed < journal.first()) {
    throw Violation(
        fmt::format("lane {}: the journal begins at {}, and the database may go back to {}",
                    lane.value, journal.first().value, flushed->value));
  }
  const std::uint64_t dropped = gateway_->ledger().counts(lane).dropped;
  if (dropped > dropped_[lane.value]) trace_.add(Event::dropped, dropped);
  dropped_[lane.value] = dropped;
  const Ledger ledger = ledger_of(*gateway_, lane);
  if (ledger.settled > ledger.received) {
    throw Violation(fmt::format("lane {}: {} received, {} settled", lane.value, ledger.received,
                                ledger.settled));
  }
}

// ---- The end ------------------------------------------------------------------------------------

bool World::at_rest() const {
  if (!gateway_) return false;
  const storage::SegmentedJournal& journal = gateway_->journal();
  if (journal.durable() < journal.appended()) return false;
  for (const Device& device : devices_) {
    if (device.state() != Device::State::connected || !device.at_rest()) return false;
  }
  if (!std::ranges::all_of(subscribers_, &Subscriber::at_rest)) return false;
  if (!gateway_->has_delivered()) return false;
  for (std::uint16_t i = 0; i < journal.lanes(); ++i) {
    const Ledger ledger = ledger_of(*gateway_, {i});
    if (ledger.settled != ledger.received) return false;
    // What is not flushed the database may have forgotten, and the lane not found out yet; or it
    // has found out, and goes over what it had settled once more.
    const storage::LaneCounters& counters = gateway_->lanes().counters({i});
    if (counters.checkpoint < journal.durable().value) return false;
    if (counters.flushed < counters.checkpoint) return false;
  }
  return true;
}

void World::round_of_clients() {
  for (Device& device : devices_) {
    if (device.state() == Device::State::away) connect(device);
    while (device.has_answers()) {
      const std::uint32_t slot = device.connection();
      const std::string bytes = device.read();
      if (!bytes.empty()) gateway_->receive(slot, bytes);
    }
  }
  for (Subscriber& subscriber : subscribers_) {
    if (subscriber.state() == Subscriber::State::away) connect(subscriber);
    if (subscriber.must_ask()) gateway_->receive(subscriber.connection(), subscriber.ask());
    while (subscriber.has_packets()) {
      const std::uint32_t slot = subscriber.connection();
      const std::string bytes = subscriber.read();
      if (!bytes.empty()) gateway_->receive(slot, bytes);
    }
  }
}

void World::round_of_all() {
  if (!gateway_) boot();
  if (!gateway_) return;
  round_of_clients();
  for (int i = 0; i < 3; ++i) {
    commit();
    check();
    dispatch(i == 2);
  }
  gateway_->io_turn();
  for (std::uint16_t i = 0; i < gateway_->lanes().count(); ++i) {
    drain({i});
    drain({i});
  }
  gateway_->housekeeping();
  check();
  machine_.clock.advance(milliseconds(130));
}

void World::heal() {
  trace_.add(Event::heal);
  database_away_ = misfits_ = false;
  fails_one_in_ = loses_one_in_ = 0;
  machine_.database.set_flush_lag(0);
  weights_[static_cast<std::size_t>(Act::die)] = 0;
  fate_.spare();
  if (second_) end_second_gateway();
  // The moment of truth for what was acknowledged.
  if (gateway_ && (must_end_ || fenced_ || !random_.one_in(3))) gone(random_.one_in(2));
  come_to_rest();
  messages_.compare(machine_.database);
  for (const Subscriber& subscriber : subscribers_) subscriber.compare();
  // Somebody who comes only now gets what is retained.
  const bool persistent = random_.one_in(2);
  const auto version = random_.one_in(2) ? mqtt::Version::v5 : mqtt::Version::v311;
  subscribers_.emplace_back(
      Subscriber::Options{
          .number = last_client, .persistent = persistent, .version = version, .probe = "#"},
      messages_, random_, trace_);
  come_to_rest();
  subscribers_.back().compare_retained();
}

void World::come_to_rest() {
  constexpr int enough = 300;
  for (int i = 0; i < enough; ++i) {
    round_of_all();
    if (at_rest()) return;
  }
  throw Violation("it does not come to rest");
}

}  // namespace rowgate::simulation
