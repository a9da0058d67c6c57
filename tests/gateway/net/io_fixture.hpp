#pragma once
// A running gateway without its database: the journal, the broker, its dispatcher and three I/O
// threads, behind listeners of the test's choice.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "gateway/broker/dispatch_loop.hpp"
#include "gateway/net/io_threads.hpp"
#include "schema/mapping.hpp"
#include "tests/gateway/net/client.hpp"
#include "tests/gateway/wire.hpp"
#include "tests/support/memory_state_store.hpp"

namespace rowgate::net {

class IoFixture : public ::testing::Test {
 protected:
  static storage::JournalOptions roomy() {
    storage::JournalOptions options;
    options.segment_bytes = 4U << 20;
    options.batch_bytes = 1U << 20;
    return options;
  }
  static std::filesystem::path scratch() {
    return std::filesystem::temp_directory_path() /
           ("rowgate-net-" + std::to_string(::getpid()) + "-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  IoFixture() : directory_(scratch()) {
    // As in the program, logging begins before the threads: TSan does not see libspdlog's own
    // guard.
    spdlog::set_level(spdlog::level::warn);
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~IoFixture() override {
    if (running_) stop();
    std::filesystem::remove_all(directory_);
  }

  void start(std::vector<Listen> listeners, const TlsOptions& tls = {}, const NetOptions& net = {},
             const broker::BrokerOptions& options = {},
             const storage::JournalOptions& journal = roomy()) {
    journal_ =
        storage::Journal::open(std::move(*os::open_directory(directory_ / "journal")), journal);
    io_ = std::make_unique<IoThreads>(std::move(listeners), tls);
    inbox_ = std::make_unique<broker::DispatchInbox>();
    broker_.reset(
        new broker::Broker{*journal_, catalog_, ledger_, *io_, *inbox_, retained_, options});
    store_ = std::make_unique<test::MemoryStateStore>(journal_->first());
    dispatch_ = std::make_unique<broker::Dispatch>(
        broker::DispatchOptions{}, dispatch_counters_, retained_,
        [this](std::string_view event) { return journal_->append_event(event); },
        [this](broker::Delivery&& delivery) { io_->deliver(std::move(delivery)); });
    loop_ = std::make_unique<broker::DispatchLoop>(*dispatch_, *inbox_, *journal_, *store_,
                                                   os::system_clock());
    loop_->on_round([this] { io_->send_off(); });
    loop_->recover();
    dispatch_->recovered([](const broker::KeptSession&) {});
    broker_->applied = [this] { return loop_->applied(); };
    io_->open(*broker_, 3, net);
    journal_->start([this](storage::Position) { io_->journal_moved(); }, [](const std::string&) {});
    dispatcher_ =
        std::jthread([this](std::stop_token stop) { EXPECT_EQ(loop_->run(std::move(stop)), ""); });
    io_->start();
    running_ = true;
  }
  void stop() {
    running_ = false;
    io_->quiesce();
    journal_->stop();
    io_->finish();
    dispatcher_.request_stop();
    dispatcher_.join();
  }
  std::uint16_t port(std::size_t listener = 0) const { return io_->listeners().at(listener).port; }

  /// Sends CONNECT and reads CONNACK.
  static void open_session(Client& client, std::string_view id,
                           const wire::ConnectOptions& o = {}) {
    client.send(wire::connect(id, o));
    if (o.version == mqtt::Version::v311) {
      EXPECT_EQ(client.read(4), wire::connack_v311);
    } else {
      const std::string head = client.read(2);
      client.read(static_cast<std::size_t>(head.at(1)));
    }
  }
  std::unique_ptr<Client> connected(std::string_view id, const wire::ConnectOptions& o = {}) {
    auto client = std::make_unique<Client>(port());
    open_session(*client, id, o);
    return client;
  }

  std::filesystem::path directory_;
  broker::LiveCatalog catalog_{schema::built_in_catalog()};
  broker::Ledger ledger_{3, 1};
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<IoThreads> io_;
  broker::Retained retained_{{}};
  broker::DispatchCounters dispatch_counters_;
  std::unique_ptr<broker::DispatchInbox> inbox_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<test::MemoryStateStore> store_;
  std::unique_ptr<broker::Dispatch> dispatch_;
  std::unique_ptr<broker::DispatchLoop> loop_;
  std::jthread dispatcher_;
  bool running_ = false;
};

inline const std::vector<Listen> plain_listener{{Kind::plain, "127.0.0.1", 0}};

}  // namespace rowgate::net
