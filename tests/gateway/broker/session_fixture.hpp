#pragma once
// Sessions over a real journal in a temporary directory and a real Dispatch stepped by hand, with
// bytes instead of sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/dispatch.hpp"
#include "gateway/broker/session.hpp"
#include "schema/mapping.hpp"
#include "storage/journal/journal.hpp"
#include "tests/gateway/wire.hpp"
#include "tests/support/memory_state_store.hpp"

namespace rowgate::broker {

using namespace wire;

/// Keeps what sessions and the dispatcher ask of other threads.
struct RecordedPeers : Peers {
  void take_over(ConnectionRef displaced, ConnectionRef successor) override {
    take_overs.emplace_back(displaced, successor);
  }
  void proceed(ConnectionRef) override {}
  void deliver(Delivery&& delivery) override { deliveries.push_back(std::move(delivery)); }
  void send_off() override {}
  void authenticated(ConnectionRef, security::Verdict&& verdict) override {
    verdicts.push_back(std::move(verdict));
  }
  std::vector<std::pair<ConnectionRef, ConnectionRef>> take_overs;
  std::vector<Delivery> deliveries;
  std::vector<security::Verdict> verdicts;
};

/// One client's connection, without the network.
struct Client {
  Client(Broker& b, std::uint32_t slot)
      : broker(b), ref{0, slot, 1}, session(b, ref, std::chrono::steady_clock::time_point{}) {}

  Session::Next send(std::string_view bytes) {
    const auto received = session.receive(bytes, now(), out, acks);
    consumed = received.consumed;
    stalled = received.next == Session::Next::stall;
    rest = stalled ? std::string(bytes.substr(consumed)) : std::string();
    return received.next;
  }
  /// What the server has sent so far, acknowledgements now due included. Where it waited for the
  /// journal, it goes on.
  std::string answers() {
    storage::Position before;
    do {
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (broker.journal.durable() < broker.journal.appended() &&
             std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      before = broker.journal.appended();
      if (stalled) send(std::string(rest));
      acks.release(broker.journal.durable(),
                   [this](const PendingAck& a) { session.acknowledge(a, out); });
    } while (stalled && before < broker.journal.appended());
    return std::exchange(out, {});
  }
  Session::Next tick(std::chrono::seconds later, bool waits_for_us = false) {
    Moment moment = now();
    moment.ticks += later;
    moment.wall.micros += std::chrono::microseconds(later).count();
    return session.tick(moment, waits_for_us, out);
  }
  void close() { session.closed(now()); }
  Moment now() const { return {Timestamp{now_micros}, ticks}; }

  Broker& broker;
  ConnectionRef ref;
  Session session;
  AckQueue acks;
  std::string out;
  std::string rest;  // to be given again
  std::size_t consumed = 0;
  bool stalled = false;
  std::int64_t now_micros = 1'700'000'000'000'000;
  std::chrono::steady_clock::time_point ticks{};
};

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::temp_directory_path() /
                 ("rowgate-session-" + std::to_string(::getpid()) + "-" + test->name());
    std::filesystem::remove_all(directory_);
    options_.max_bytes = 64U << 20;
    options_.segment_bytes = 1U << 20;
    options_.batch_bytes = 256U << 10;
    open();
  }
  ~SessionTest() override {
    close();
    std::filesystem::remove_all(directory_);
  }
  void close() {
    journal_->stop();
    broker_.reset();
    dispatch_.reset();
    retained_.reset();
    journal_.reset();
    peers_.deliveries.clear();
  }
  /// As after kill -9: a new process on the same journal, connections never closed. `start`: false:
  /// nothing is committed until journal_->start().
  void restart(bool start = true) {
    close();
    open(start);
  }
  void open(bool start = true) {
    auto directory = os::open_directory(directory_);
    ASSERT_TRUE(directory.has_value());
    journal_ = storage::Journal::open(std::move(*directory), options_);
    retained_ = std::make_unique<Retained>(retained_limits_);
    inbox_ = std::make_unique<DispatchInbox>();
    dispatch_counters_ = std::make_unique<DispatchCounters>();
    dispatch_ = std::make_unique<Dispatch>(
        DispatchOptions{}, *dispatch_counters_, *retained_,
        [this](std::string_view event) { return journal_->append_event(event); },
        [this](Delivery&& delivery) { peers_.deliver(std::move(delivery)); });
    broker_.reset(new Broker{*journal_, catalog_, ledger_, peers_, *inbox_, *retained_, limits_});
    broker_->applied = [this] { return dispatched_; };
    recover();
    if (start) journal_->start([](storage::Position) {}, [](const std::string&) {});
  }
  void recover() {
    store_ = store_ ? store_->after_crash()
                    : std::make_unique<test::MemoryStateStore>(journal_->first());
    dispatch_->load(*store_);
    dispatched_ = store_->checkpoint();
    read_records();
    dispatch_->recovered([this](const KeptSession& kept) {
      broker_->restore(kept, {now_, std::chrono::steady_clock::time_point{}});
    });
  }
  /// Applies the next batch, if there is one.
  bool read_records() {
    bool any = false;
    while (dispatched_ < journal_->durable()) {
      const auto batch =
          journal_->read(dispatched_, std::stop_token{}, std::chrono::milliseconds(0));
      if (!batch) break;
      open_inbox();
      storage::RecordCursor cursor(*batch, dispatched_);
      storage::RecordView record;
      while (cursor.next(record)) dispatch_->apply(record, now_);
      dispatched_ = batch->end();
      any = true;
    }
    dispatch_->reached(dispatched_);
    return any;
  }
  bool open_inbox() {
    inbox_->take(mail_);
    for (DispatchMail& mail : mail_) {
      if (auto* event = std::get_if<EphemeralEvent>(&mail)) {
        dispatch_->apply_event(event->bytes, event->since, now_);
      } else if (auto* attach = std::get_if<Attach>(&mail)) {
        dispatch_->attach(std::move(*attach), now_);
      } else if (auto* detach = std::get_if<Detach>(&mail)) {
        dispatch_->detach(*detach, now_);
      }
    }
    return !mail_.empty();
  }
  /// What the dispatch thread does, until there is nothing more to do.
  void dispatch() {
    for (bool busy = true; busy;) {
      while (journal_->durable() < journal_->appended()) std::this_thread::yield();
      busy = read_records();
      busy = open_inbox() || busy;
      dispatch_->pump(now_);
      busy = busy || journal_->durable() < journal_->appended();
    }
  }
  /// What the dispatcher remembers goes to the store: the next start reads the journal from here.
  void checkpoint() {
    dispatch();
    const auto changes = dispatch_->take_changes();
    ASSERT_TRUE(store_->commit(changes, dispatched_));
  }
  /// Everything the server has sent to this client by now, copies included.
  std::string got(Client& client) {
    client.out = client.answers();
    dispatch();
    auto& all = peers_.deliveries;
    for (auto it = all.begin(); it != all.end();) {
      if (it->to == client.ref) {
        client.session.deliver(std::move(*it), client.now(), client.out);
        it = all.erase(it);
      } else {
        ++it;
      }
    }
    return client.answers();
  }
  Client connected(std::string_view id, const ConnectOptions& o = {}, std::uint32_t slot = 1) {
    Client client(*broker_, slot);
    client.send(connect(id, o));
    EXPECT_FALSE(client.answers().empty());
    return client;
  }
  /// What is due for sessions without a connection, so many seconds after the clients' time.
  void wait(int seconds) {
    dispatch();
    broker_->visit_due({Timestamp{now_.micros + seconds * 1'000'000LL},
                        std::chrono::steady_clock::time_point{} + std::chrono::seconds(seconds)},
                       0);
    dispatch();
  }
  std::uint64_t received() const { return ledger_.counts(storage::Lane{0}).received; }

  std::filesystem::path directory_;
  storage::JournalOptions options_;
  BrokerOptions limits_;
  Retained::Limits retained_limits_;
  LiveCatalog catalog_{schema::built_in_catalog()};
  Ledger ledger_{1, 1};
  RecordedPeers peers_;
  std::unique_ptr<DispatchCounters> dispatch_counters_;
  Timestamp now_{1'700'000'000'000'000};
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<test::MemoryStateStore> store_;
  std::unique_ptr<Retained> retained_;
  std::unique_ptr<DispatchInbox> inbox_;
  std::vector<DispatchMail> mail_;
  std::unique_ptr<Dispatch> dispatch_;
  storage::Position dispatched_;
  std::unique_ptr<Broker> broker_;
};

}  // namespace rowgate::broker
