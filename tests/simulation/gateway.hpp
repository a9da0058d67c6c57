#pragma once
// One process of the gateway without its threads: the same journal, lanes, dispatcher and sessions,
// put together as gateway/cli does, and stepped by hand. What its threads do in loops is here a
// function each, which does it once. The sockets are missing: bytes come from a device and go to
// one. Of the threads' own code only the I/O threads' and the dispatcher's few lines are written
// again here; the journal's and the lanes' are the production code's step().
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/dispatch.hpp"
#include "gateway/broker/ledger.hpp"
#include "gateway/broker/session.hpp"
#include "storage/drain/lane_drain.hpp"
#include "storage/journal/segmented_journal.hpp"
#include "tests/simulation/fate.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_disk.hpp"
#include "tests/support/memory_sink.hpp"
#include "tests/support/memory_state_store.hpp"

namespace rowgate::simulation {

struct GatewayOptions {
  storage::JournalOptions journal;
  storage::DrainOptions drain;
  broker::DispatchOptions dispatch;
  bool ack_at_database = false;
};

/// What outlives the process. `store` is made for the first journal.
struct Machine {
  test::MemoryDisk disk;
  test::MemoryDatabase database;
  std::unique_ptr<test::MemoryStateStore> store;
  test::ManualClock clock;
  std::shared_ptr<const schema::Catalog> catalog;
};

/// Lanes, and the database's side of them: all that a second gateway with our identity needs.
class Lanes {
 public:
  /// Throws std::runtime_error where the gateway would not start.
  Lanes(Machine& machine, storage::Journal& journal, storage::DrainOptions options,
        broker::CommittedPositions* committed);

  struct Ended {
    storage::Lane lane;
    storage::DrainEnd how;
    std::string why;
  };
  std::uint16_t count() const noexcept { return static_cast<std::uint16_t>(drains_.size()); }
  std::optional<Ended> step(storage::Lane lane, bool stopping);
  const storage::LaneCounters& counters(storage::Lane lane) const { return counters_[lane.value]; }
  /// Below it every lane's rows are flushed.
  storage::Position flushed() const;

 private:
  std::vector<storage::LaneCounters> counters_;
  std::vector<std::unique_ptr<storage::LaneDrain>> drains_;
};

class Gateway final : broker::Peers {
 public:
  /// `heard`: bytes on their way to the device; none: the server has closed the connection.
  using Heard = std::function<void(std::uint32_t slot, std::string_view bytes)>;

  /// Starts. Throws std::runtime_error, as the journal and the lanes do.
  Gateway(Machine& machine, Fate& fate, const GatewayOptions& options, Heard heard);
  ~Gateway() override;

  // What the threads do, once.
  storage::SegmentedJournal::Step commit();
  std::optional<Lanes::Ended> drain(storage::Lane lane) { return lanes_->step(lane, false); }
  void dispatch();
  /// What the dispatcher must remember goes to the store. False: the store failed.
  [[nodiscard]] bool save_sessions();
  void io_turn();
  void housekeeping();

  /// The end that SIGTERM asks for, except that the lanes' last steps are left to the caller:
  /// quiesce(); then the lanes until they have ended; then close().
  void quiesce();
  std::optional<Lanes::Ended> drain_the_rest(storage::Lane lane) {
    return lanes_->step(lane, true);
  }
  void close();

  // Connections. A slot is never used again.
  std::uint32_t accept();
  void receive(std::uint32_t slot, std::string_view bytes);
  void hang_up(std::uint32_t slot);

  storage::SegmentedJournal& journal() noexcept { return *journal_; }
  const Lanes& lanes() const noexcept { return *lanes_; }
  const broker::Ledger& ledger() const noexcept { return ledger_; }
  /// Connections that wait for room in the journal.
  std::size_t stalled() const noexcept { return stalled_.size(); }
  /// No subscriber has anything to come or to acknowledge.
  bool has_delivered() const noexcept {
    return dispatched_ == journal_->durable() && mail_.empty() &&
           dispatch_counters_.queued_messages == 0;
  }

 private:
  struct Connection {
    enum class State : std::uint8_t { reading, stalled, waiting, over };
    std::unique_ptr<broker::Session> session;
    std::string in;   // not taken yet
    std::string out;  // not sent yet
    State state = State::reading;
    bool hung_up = false;  // the device has
    std::optional<broker::ConnectionRef> successor{};
  };
  struct TakeOver {
    broker::ConnectionRef displaced, successor;
  };
  struct Proceed {
    broker::ConnectionRef successor;
  };
  using Mail = std::variant<TakeOver, Proceed, broker::Delivery>;

  // broker::Peers
  void take_over(broker::ConnectionRef displaced, broker::ConnectionRef successor) override {
    mail_.emplace_back(TakeOver{displaced, successor});
  }
  void proceed(broker::ConnectionRef successor) override { mail_.emplace_back(Proceed{successor}); }
  void deliver(broker::Delivery&& delivery) override { mail_.emplace_back(std::move(delivery)); }
  void send_off() override {}
  void authenticated(broker::ConnectionRef, security::Verdict&&) override {}

  void recover_sessions();
  bool read_records();
  void open_inbox();
  void handle(std::uint32_t slot);
  void go_on(std::uint32_t slot);
  void finish(std::uint32_t slot);
  void flush(std::uint32_t slot);
  bool displace(std::uint32_t slot, broker::ConnectionRef successor);
  void open_mail();
  broker::Moment now() { return {machine_.clock.now(), machine_.clock.ticks()}; }

  Machine& machine_;
  Heard heard_;
  std::unique_ptr<storage::SegmentedJournal> journal_;
  broker::CommittedPositions committed_;
  broker::LiveCatalog catalog_;
  broker::Ledger ledger_;
  broker::Retained retained_{broker::Retained::Limits{}};
  broker::DispatchInbox inbox_;
  broker::DispatchCounters dispatch_counters_;
  FatefulStore store_;
  broker::Dispatch dispatch_;
  storage::Position dispatched_;
  storage::Position saved_;
  std::vector<broker::DispatchMail> dispatch_mail_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<Lanes> lanes_;

  broker::AckQueue acks_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> stalled_;
  std::vector<Mail> mail_;
  std::chrono::steady_clock::time_point visited_{};
};

}  // namespace rowgate::simulation
