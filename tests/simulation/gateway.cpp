#include "tests/simulation/gateway.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace rowgate::simulation {

using broker::ConnectionRef;
using std::chrono::milliseconds;
using storage::Lane;
using storage::Position;

// ---- Lanes --------------------------------------------------------------------------------------

Lanes::Lanes(Machine& machine, storage::Journal& journal, storage::DrainOptions options,
             broker::CommittedPositions* committed)
    : counters_(journal.lanes()) {
  if (committed) {
    options.eager = true;
    options.observer.committed = [committed](Lane lane, Position to) {
      committed->moved(lane, to);
    };
  }
  for (std::uint16_t i = 0; i < journal.lanes(); ++i) {
    const Lane lane{i};
    auto drain = std::make_unique<storage::LaneDrain>(
        journal, machine.database.lane(), storage::DrainIdentity{"gateway", journal.id(), lane},
        options, machine.clock, [&machine] { return machine.catalog; }, counters_[i],
        [](const std::string&) {});
    const auto opened = drain->open();
    if (!opened && opened.error().outcome != storage::CommitOutcome::retry) {
      throw std::runtime_error(opened.error().message);
    }
    drains_.push_back(std::move(drain));
  }
}

std::optional<Lanes::Ended> Lanes::step(Lane lane, bool stopping) {
  std::string why;
  const auto done = drains_[lane.value]->step(stopping, milliseconds(2000), why);
  if (!done.end) return std::nullopt;
  return Ended{lane, *done.end, std::move(why)};
}

Position Lanes::flushed() const {
  Position flushed{UINT64_MAX};
  for (const storage::LaneCounters& lane : counters_) {
    flushed = std::min(flushed, Position{lane.flushed.load()});
  }
  return flushed;
}

// ---- Start and end ------------------------------------------------------------------------------

Gateway::Gateway(Machine& machine, Fate& fate, const GatewayOptions& options, Heard heard)
    : machine_(machine),
      heard_(std::move(heard)),
      journal_(storage::SegmentedJournal::open(directory_of(machine.disk, fate), options.journal)),
      committed_(journal_->lanes()),
      catalog_(machine.catalog),
      ledger_(1, journal_->lanes()),
      store_(*machine.store, fate),
      dispatch_(
          options.dispatch, dispatch_counters_, retained_,
          [this](std::string_view event) { return journal_->append_event(event); },
          [this](broker::Delivery&& delivery) { deliver(std::move(delivery)); }),
      broker_(new broker::Broker{*journal_, catalog_, ledger_, *this, inbox_, retained_}),
      acks_(options.ack_at_database ? &committed_ : nullptr) {
  broker_->applied = [this] { return dispatched_; };
  if (options.ack_at_database) broker_->committed = &committed_;
  recover_sessions();
  lanes_ = std::make_unique<Lanes>(machine, *journal_, options.drain,
                                   options.ack_at_database ? &committed_ : nullptr);
}

Gateway::~Gateway() = default;

void Gateway::recover_sessions() {
  dispatched_ = saved_ = store_.checkpoint();
  if (dispatched_ > journal_->durable() || dispatched_ < journal_->first()) {
    throw std::runtime_error("the sessions are known up to where the journal does not reach");
  }
  dispatch_.load(store_);
  while (read_records()) {
  }
  dispatch_.recovered([this](const broker::KeptSession& kept) { broker_->restore(kept, now()); });
}

void Gateway::quiesce() {
  for (std::uint32_t slot = 0; slot < connections_.size(); ++slot) {
    Connection& c = connections_[slot];
    if (c.state == Connection::State::over) continue;
    c.session->disconnect(mqtt::ReasonCode::server_shutting_down, c.out);
    finish(slot);
  }
}

void Gateway::close() {
  housekeeping();
  journal_->stop();
  while (journal_->step(false) != storage::SegmentedJournal::Step::ended) {
  }
}

// ---- The threads --------------------------------------------------------------------------------

storage::SegmentedJournal::Step Gateway::commit() {
  return journal_->step(false);
}

bool Gateway::read_records() {
  if (dispatched_ >= journal_->durable()) return false;
  const auto batch = journal_->read(dispatched_, {}, milliseconds(0));
  if (!batch) return false;
  open_inbox();
  storage::RecordCursor cursor(*batch, dispatched_);
  storage::RecordView record;
  while (cursor.next_special(dispatch_.wants_all_publishes(), record)) {
    dispatch_.apply(record, machine_.clock.now());
  }
  dispatched_ = batch->end();
  dispatch_.reached(dispatched_);
  return true;
}

void Gateway::open_inbox() {
  const Timestamp wall = machine_.clock.now();
  inbox_.take(dispatch_mail_);
  for (broker::DispatchMail& mail : dispatch_mail_) {
    if (auto* event = std::get_if<broker::EphemeralEvent>(&mail)) {
      dispatch_.apply_event(event->bytes, event->since, wall);
    } else if (auto* attach = std::get_if<broker::Attach>(&mail)) {
      dispatch_.attach(std::move(*attach), wall);
    } else if (auto* detach = std::get_if<broker::Detach>(&mail)) {
      dispatch_.detach(*detach, wall);
    }
  }
}

void Gateway::dispatch() {
  if (!read_records()) open_inbox();
  dispatch_.pump(machine_.clock.now());
}

bool Gateway::save_sessions() {
  if (dispatched_ == saved_ && dispatch_.pending_changes() == 0) return true;
  const auto changes = dispatch_.take_changes();
  if (!store_.commit(changes, dispatched_)) return false;
  saved_ = dispatched_;
  return true;
}

void Gateway::housekeeping() {
  journal_->trim(std::min(lanes_->flushed(), saved_));
}

void Gateway::io_turn() {
  acks_.release(journal_->durable(), [this](const broker::PendingAck& ack) {
    connections_[ack.slot].session->acknowledge(ack, connections_[ack.slot].out);
    flush(ack.slot);
  });
  open_mail();
  for (const std::uint32_t slot : std::exchange(stalled_, {})) go_on(slot);
  if (now().ticks - visited_ < std::chrono::seconds(1)) return;
  visited_ = now().ticks;
  broker_->visit_due(now(), 0);
}

// ---- Connections --------------------------------------------------------------------------------

std::uint32_t Gateway::accept() {
  const auto slot = static_cast<std::uint32_t>(connections_.size());
  connections_.emplace_back().session =
      std::make_unique<broker::Session>(*broker_, ConnectionRef{0, slot, 1}, now().ticks);
  return slot;
}

void Gateway::receive(std::uint32_t slot, std::string_view bytes) {
  Connection& c = connections_[slot];
  if (c.state == Connection::State::over) return;
  c.in += bytes;
  if (c.state == Connection::State::reading) handle(slot);
}

void Gateway::hang_up(std::uint32_t slot) {
  Connection& c = connections_[slot];
  if (c.state == Connection::State::over) return;
  // Who does not read does not notice.
  c.hung_up = true;
  if (c.state == Connection::State::reading) finish(slot);
}

void Gateway::go_on(std::uint32_t slot) {
  Connection& c = connections_[slot];
  if (c.state == Connection::State::over) return;
  c.state = Connection::State::reading;
  handle(slot);
}

void Gateway::handle(std::uint32_t slot) {
  using Next = broker::Session::Next;
  Connection& c = connections_[slot];
  const auto received = c.session->receive(c.in, now(), c.out, acks_);
  c.in.erase(0, received.consumed);
  flush(slot);
  switch (received.next) {
    case Next::read:
      if (c.hung_up) finish(slot);
      return;
    case Next::stall:
      c.state = Connection::State::stalled;
      stalled_.push_back(slot);
      return;
    case Next::take_over:
      c.state = Connection::State::waiting;
      return take_over(c.session->displaced(), {0, slot, 1});
    case Next::hold:
    case Next::authenticate:
    case Next::close:
      return finish(slot);
  }
}

void Gateway::flush(std::uint32_t slot) {
  Connection& c = connections_[slot];
  c.session->tell_traffic();
  if (c.out.empty()) return;
  const std::string bytes = std::exchange(c.out, {});
  heard_(slot, bytes);
}

void Gateway::finish(std::uint32_t slot) {
  Connection& c = connections_[slot];
  flush(slot);
  c.state = Connection::State::over;
  c.in.clear();
  c.session->closed(now());
  heard_(slot, {});
}

bool Gateway::displace(std::uint32_t slot, ConnectionRef successor) {
  Connection& c = connections_[slot];
  const bool over = c.state == Connection::State::over;
  if (over && !c.successor) return true;
  if (c.state == Connection::State::waiting || c.successor) {
    c.successor = successor;
    if (!over) finish(slot);
    return false;
  }
  c.session->disconnect(mqtt::ReasonCode::session_taken_over, c.out);
  finish(slot);
  return true;
}

void Gateway::open_mail() {
  std::vector<Mail> mails = std::exchange(mail_, {});
  for (Mail& mail : mails) {
    if (auto* take = std::get_if<TakeOver>(&mail)) {
      if (displace(take->displaced.slot, take->successor)) proceed(take->successor);
    } else if (auto* go = std::get_if<Proceed>(&mail)) {
      if (const auto next = std::exchange(connections_[go->successor.slot].successor, {})) {
        proceed(*next);
      } else {
        go_on(go->successor.slot);
      }
    } else {
      auto& delivery = std::get<broker::Delivery>(mail);
      Connection& c = connections_[delivery.to.slot];
      const std::uint32_t slot = delivery.to.slot;
      if (c.state == Connection::State::over || c.state == Connection::State::waiting) continue;
      c.session->deliver(std::move(delivery), now(), c.out);
      flush(slot);
    }
  }
}

}  // namespace rowgate::simulation
