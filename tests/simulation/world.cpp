// What happens: how the seed sets a world up, and its steps. The gateway's life is in life.cpp.
#include "tests/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "schema/mapping_file.hpp"
#include "storage/journal/format.hpp"
#include "storage/journal/open_ids.hpp"
#include "storage/journal/segment_scan.hpp"

namespace rowgate::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using storage::CommitOutcome;
using storage::Lane;
using storage::Position;
using storage::SinkError;

/// Clients are known by their numbers; devices have those below.
constexpr std::size_t first_subscriber = 10;

std::shared_ptr<const schema::Catalog> mapping(std::uint64_t generation, const char* text) {
  const auto parsed = schema::parse_mapping_file(text, generation);
  if (!parsed) throw std::logic_error(schema::format_errors("mapping", parsed.error()));
  return *parsed;
}

/// The mapping files that a reload goes round. Behind the time, each stores the message's number
/// and `v`, by which the database refuses it; the names keep them in this order.
const std::array<std::shared_ptr<const schema::Catalog>, 3>& mappings() {
  constexpr const char* first = R"(
[[mapping]]
name = "readings"
topic = "readings/+"
table = "readings"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "bigint" }
who = { meta = "client_id" }
)";
  constexpr const char* second = R"(
[[mapping]]
name = "readings"
topic = "readings/+"
table = "readings"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "bigint" }
words = { from = "/p", type = "text" }
[[mapping]]
name = "others"
topic = "other/#"
table = "others"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
)";
  constexpr const char* third = R"(
[[mapping]]
name = "moved"
topic = "readings/{device}"
table = "moved"
payload = "json"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "bigint" }
who = { topic = "device", type = "bigint" }
)";
  static const std::array all{mapping(1, first), mapping(2, second), mapping(3, third)};
  return all;
}

}  // namespace

World::World(std::uint64_t seed, Trace& trace)
    : trace_(trace), random_(seed), fate_(random_, trace), messages_(trace) {
  choose_options();
  choose_clients();
  choose_acts();
  choose_database();
  use_mapping(random_.below(mappings().size()));
  make_journal();
}

World::~World() = default;

void World::choose_options() {
  options_.journal.segment_bytes = random_.any_of({4096, 4096, 4096, 8192, 16384});
  options_.journal.max_bytes = options_.journal.segment_bytes * random_.any_of({4, 4, 5, 64});
  options_.journal.batch_bytes = random_.any_of({1024, 2048, 8192});
  options_.journal.window_bytes = random_.any_of({0, 1000, 8192, 1 << 20});
  options_.journal.keep = std::chrono::seconds(random_.any_of({0, 0, 2, 3600}));
  options_.journal.clock = &machine_.clock;
  options_.journal.lanes = static_cast<std::uint16_t>(random_.between(1, 3));
  options_.drain.max_rows = static_cast<std::size_t>(random_.any_of({1, 2, 5, 20, 1000}));
  options_.drain.max_bytes = static_cast<std::size_t>(random_.any_of({300, 3000, 1 << 20}));
  options_.drain.max_age = milliseconds(random_.any_of({0, 5, 100}));
  options_.drain.backoff_first = milliseconds(random_.any_of({1, 50}));
  options_.drain.backoff_max = milliseconds(random_.any_of({50, 500}));
  options_.dispatch.max_in_flight = static_cast<std::uint16_t>(random_.any_of({1, 3, 1024}));
  options_.dispatch.max_in_flight_bytes = random_.any_of<std::uint64_t>({1000, 1 << 20});
  options_.ack_at_database = random_.one_in(4);
  steps_ = random_.between(100, 1000);
}

void World::choose_clients() {
  using mqtt::Version;
  const std::uint64_t devices = random_.between(1, 4);
  for (std::uint64_t i = 0; i < devices; ++i) {
    const auto version = random_.one_in(2) ? Version::v5 : Version::v311;
    devices_.emplace_back(i, !random_.one_in(3), version, messages_, random_, trace_);
  }
  const std::uint64_t subscribers = random_.below(4);
  for (std::uint64_t i = 0; i < subscribers; ++i) {
    Subscriber::Options options{.number = first_subscriber + i};
    options.persistent = !random_.one_in(4);
    options.version = random_.one_in(2) ? Version::v5 : Version::v311;
    if (options.version == Version::v5) {
      options.receive_maximum = static_cast<std::uint16_t>(random_.any_of({0, 1, 2, 5}));
    }
    subscribers_.emplace_back(std::move(options), messages_, random_, trace_);
  }
}

void World::choose_acts() {
  const auto weigh = [this](Act act, std::uint64_t weight) {
    weights_[static_cast<std::size_t>(act)] = weight;
    weight_ += weight;
  };
  // What always goes on, in other shares each time, so that one is slow here and another there.
  weigh(Act::device, random_.between(200, 600));
  if (!subscribers_.empty()) weigh(Act::subscriber, random_.between(100, 600));
  weigh(Act::io_turn, random_.between(60, 300));
  weigh(Act::commit, random_.between(60, 300));
  weigh(Act::drain, random_.between(20, 300));
  weigh(Act::dispatch, random_.between(20, 60));
  weigh(Act::housekeeping, random_.between(10, 60));
  weigh(Act::pass_time, random_.between(20, 100));
  // What befalls them: each in some worlds only, so that no fault hides another.
  for (auto i = static_cast<std::size_t>(Act::set_wall_clock); i < acts; ++i) {
    if (random_.one_in(3)) weigh(static_cast<Act>(i), random_.between(1, 4));
  }
}

void World::choose_database() {
  test::MemoryDatabase& database = machine_.database;
  if (random_.one_in(2)) fails_one_in_ = random_.between(4, 60);
  if (random_.one_in(2)) loses_one_in_ = random_.between(2, 20);
  database.set_flush_lag(static_cast<std::size_t>(random_.below(4)));
  // Of the operation that comes next, where the process dies with it.
  auto with_it = std::make_shared<bool>(false);
  database.fail = [this, with_it](std::string_view operation) -> std::optional<SinkError> {
    switch (fate_.next(Operation::database)) {
      case Fate::Verdict::well:
        break;
      case Fate::Verdict::dies_after:
        *with_it = operation == "commit";
        if (*with_it) return std::nullopt;
        [[fallthrough]];
      case Fate::Verdict::dies_before:
        return SinkError{CommitOutcome::retry, "the process is dead"};
      case Fate::Verdict::fails:
        trace_.add(Event::database_fails);
        return SinkError{CommitOutcome::retry, "the connection is cut"};
    }
    if (database_away_) return SinkError{CommitOutcome::retry, "connection refused"};
    if (!random_.one_in(fails_one_in_)) return std::nullopt;
    trace_.add(Event::database_fails);
    return SinkError{CommitOutcome::retry, "the connection is cut"};
  };
  database.commit_fate = [this, with_it] {
    if (std::exchange(*with_it, false)) return test::CommitFate::lost_after;
    if (!random_.one_in(loses_one_in_)) return test::CommitFate::answered;
    const bool made = random_.one_in(2);
    trace_.add(made ? Event::commit_lost_after : Event::commit_lost_before);
    return made ? test::CommitFate::lost_after : test::CommitFate::lost_before;
  };
  database.refuse = [this](const test::MemoryDatabase::Row& row) -> std::optional<std::string> {
    if (row.values.size() < 3 || row.values[2] != "666") return std::nullopt;
    trace_.add(Event::row_refused);
    return "v is 666";
  };
  database.misfit = [this](const schema::Table& table) -> std::optional<std::string> {
    if (!misfits_ || table.name.starts_with("rowgate_")) return std::nullopt;
    return "column n has another type";
  };
}

/// Its first segment with nothing but the opening records. Not by opening an empty directory: the
/// journal's id, random there, would not be the seed's.
void World::make_journal() {
  namespace format = storage::format;
  format::JournalId id{};
  for (char& c : id) c = static_cast<char>(random_.below(256));
  const std::uint32_t seed = format::seed_of(id);
  storage::OpenIds none;
  const std::size_t opening = format::segment_size + none.snapshot_size();
  std::string bytes(opening + format::mark_size, '\0');
  char* const snapshot = bytes.data() + format::segment_size;
  format::write_segment({format::version, options_.journal.lanes, id}, {}, bytes.data());
  none.write_snapshot(snapshot + format::header_size);
  format::seal(storage::RecordType::snapshot, opening - format::segment_size, seed,
               {format::segment_size}, snapshot);
  format::write_mark({}, seed, {opening}, bytes.data() + opening);
  machine_.disk.set_content(storage::segment_name({}), bytes);
  machine_.store = std::make_unique<test::MemoryStateStore>();
}

void World::use_mapping(std::uint64_t generation) {
  trace_.add(Event::mapping, generation);
  machine_.catalog = mappings()[static_cast<std::size_t>(generation)];
}

// ---- Steps --------------------------------------------------------------------------------------

void World::run() {
  boot();
  for (std::uint64_t step = 0; step < steps_; ++step) {
    trace_.step(step);
    const Act what = choose();
    if (gateway_) {
      act(what);
    } else {
      act_without_gateway(what);
    }
    aftermath();
    check();
  }
  trace_.step(steps_);
  heal();
}

World::Act World::choose() noexcept {
  std::uint64_t at = random_.below(weight_);
  std::size_t act = 0;
  while (at >= weights_[act]) at -= weights_[act++];
  return static_cast<Act>(act);
}

void World::act(Act what) {
  switch (what) {
    case Act::device:
      return of_a_device();
    case Act::subscriber:
      return of_a_subscriber();
    case Act::io_turn:
      gateway_->io_turn();
      if (gateway_->stalled() > 0) trace_.add(Event::stalled, gateway_->stalled());
      return;
    case Act::commit:
      return commit();
    case Act::drain:
      if (second_ && random_.one_in(2)) return step_second_gateway();
      return drain({static_cast<std::uint16_t>(random_.below(gateway_->lanes().count()))});
    case Act::dispatch:
      return dispatch(random_.one_in(3));
    case Act::housekeeping: {
      const Position before = gateway_->journal().first();
      gateway_->housekeeping();
      const Position now = gateway_->journal().first();
      if (now != before) trace_.add(Event::trimmed, now.value);
      return;
    }
    default:
      return fault(what);
  }
}

void World::act_without_gateway(Act what) {
  if (what == Act::pass_time) return pass_time();
  if (what == Act::drain && second_) return step_second_gateway();
  if (what == Act::database_away || what == Act::crash_database) return fault(what);
  if (random_.one_in(4)) boot();
}

void World::fault(Act what) {
  switch (what) {
    case Act::pass_time:
      return pass_time();
    case Act::set_wall_clock: {
      const auto by = static_cast<std::int64_t>(random_.below(7'200'000'000));
      const Timestamp to{machine_.clock.now().micros + by - 3'600'000'000};
      trace_.add(Event::wall_clock, static_cast<std::uint64_t>(to.micros));
      return machine_.clock.set_wall(to);
    }
    case Act::reload_mapping:
      return use_mapping(random_.below(mappings().size()));
    case Act::stop:
      return graceful_stop();
    case Act::kill:
      return gone(false);
    case Act::power_cut:
      return gone(true);
    case Act::die:
      return fate_.die_in(random_.between(1, 30));
    case Act::fail_disk:
      return fate_.fail_in(random_.any_of({Operation::write, Operation::sync, Operation::directory,
                                           Operation::read}),
                           random_.between(1, 4), random_.one_in(3));
    case Act::fail_store:
      return fate_.fail_in(Operation::store, 1, false);
    case Act::fail_database:
      return fate_.fail_in(Operation::database, random_.between(1, 12), false);
    case Act::database_away:
      database_away_ = !database_away_;
      return trace_.add(database_away_ ? Event::database_away : Event::database_back);
    case Act::crash_database:
      return trace_.add(Event::database_crashes,
                        machine_.database.crash(static_cast<std::size_t>(random_.below(5))));
    case Act::misfit:
      misfits_ = !misfits_;
      return trace_.add(Event::table_misfits, misfits_ ? 1 : 0);
    case Act::second_gateway:
      return second_ ? end_second_gateway() : step_second_gateway();
    default:
      return;
  }
}

void World::connect(Device& device) {
  const std::uint32_t slot = gateway_->accept();
  client_of_.push_back(static_cast<std::size_t>(&device - devices_.data()));
  gateway_->receive(slot, device.connect(slot));
}

void World::connect(Subscriber& subscriber) {
  const std::uint32_t slot = gateway_->accept();
  client_of_.push_back(devices_.size() +
                       static_cast<std::size_t>(&subscriber - subscribers_.data()));
  gateway_->receive(slot, subscriber.connect(slot));
}

/// Its connection breaks. The server may learn of it later, or only as the client comes back.
template <class Client>
void World::lose(Client& client) {
  const std::uint32_t slot = client.connection();
  trace_.add(Event::hang_up, slot);
  client.lose_connection();
  if (random_.one_in(2)) gateway_->hang_up(slot);
}

/// It does what it can at once now and then: a burst fills the journal.
void World::of_a_device() {
  Device& device = devices_[static_cast<std::size_t>(random_.below(devices_.size()))];
  const std::uint32_t slot = device.connection();
  if (device.state() == Device::State::away) return connect(device);
  if (random_.one_in(40)) return lose(device);
  if (device.has_answers() && random_.one_in(2)) {
    return gateway_->receive(slot, device.read());
  }
  if (device.may_publish() && random_.one_in(60)) {
    return gateway_->receive(slot, device.disconnect());
  }
  for (std::uint64_t n = random_.one_in(8) ? 6 : 1; n > 0 && device.may_publish(); --n) {
    gateway_->receive(slot, device.publish());
  }
}

void World::of_a_subscriber() {
  Subscriber& one = subscribers_[static_cast<std::size_t>(random_.below(subscribers_.size()))];
  const std::uint32_t slot = one.connection();
  if (one.state() == Subscriber::State::away) {
    // It may be long away, so that its copies gather.
    if (random_.one_in(3)) connect(one);
    return;
  }
  if (random_.one_in(40)) {
    // What it has read it has, though its answer is lost.
    if (one.has_packets() && random_.one_in(2)) (void)one.read();
    if (one.state() != Subscriber::State::away) lose(one);
    return;
  }
  if (one.may_ask() && (one.must_ask() ? random_.one_in(2) : random_.one_in(25))) {
    return gateway_->receive(slot, one.ask());
  }
  if (one.may_ask() && random_.one_in(100)) return gateway_->receive(slot, one.disconnect());
  for (std::uint64_t n = random_.one_in(4) ? 6 : 1; n > 0 && one.has_packets(); --n) {
    gateway_->receive(slot, one.read());
  }
}

void World::hear(std::uint32_t slot, std::string_view bytes) {
  const std::size_t client = client_of_[slot];
  if (client < devices_.size()) return devices_[client].hear(slot, bytes);
  subscribers_[client - devices_.size()].hear(slot, bytes);
}

void World::pass_time() {
  const microseconds by(random_.any_of({300, 2'000, 20'000, 150'000, 600'000, 600'000}));
  trace_.add(Event::clock, static_cast<std::uint64_t>(by.count()));
  machine_.clock.advance(by);
}

void World::drain(Lane lane) {
  if ((lanes_ended_ & 1U << lane.value) != 0) return;
  if (const auto ended = gateway_->drain(lane)) lane_ended(*ended);
  const storage::LaneCounters& counters = gateway_->lanes().counters(lane);
  trace_.add(Event::drained, lane.value, counters.checkpoint,
             counters.stored + counters.dead_letter + counters.unmapped);
}

}  // namespace rowgate::simulation
