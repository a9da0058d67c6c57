#pragma once
// Sessions over a real journal in a temporary directory, with bytes instead of sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/session.hpp"
#include "schema/mapping.hpp"
#include "storage/journal/journal.hpp"
#include "tests/gateway/wire.hpp"

namespace rowgate::broker {

using namespace wire;

/// Keeps what sessions ask of other threads.
struct RecordedPeers : Peers {
  void take_over(ConnectionRef displaced, ConnectionRef successor) override {
    take_overs.emplace_back(displaced, successor);
  }
  void proceed(ConnectionRef) override {}
  void deliver(Delivery&& delivery) override { deliveries.push_back(std::move(delivery)); }
  std::vector<std::pair<ConnectionRef, ConnectionRef>> take_overs;
  std::vector<Delivery> deliveries;
};

/// One client's connection, without the network.
struct Client {
  Client(Broker& b, std::uint32_t slot)
      : broker(b), session(b, ConnectionRef{0, slot, 1}, std::chrono::steady_clock::time_point{}) {}

  Session::Next send(std::string_view bytes) {
    const auto received = session.receive(bytes, {Timestamp{now_micros}, ticks}, out, acks);
    consumed = received.consumed;
    stalled = received.next == Session::Next::stall;
    return received.next;
  }
  /// What the server has sent so far, acknowledgements now due included. One that waits for the
  /// journal in its CONNECT goes on.
  std::string answers() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (broker.journal.durable() < broker.journal.appended() &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    if (stalled) send("");
    acks.release(broker.journal.durable(),
                 [this](const PendingAck& a) { session.acknowledge(a, out); });
    return std::exchange(out, {});
  }

  Broker& broker;
  Session session;
  AckQueue acks;
  std::string out;
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
    journal_->stop();
    broker_.reset();
    journal_.reset();
    std::filesystem::remove_all(directory_);
  }
  /// As after a restart: a new process on the same journal.
  void restart() {
    journal_->stop();
    broker_.reset();
    journal_.reset();
    open();
  }
  void open(bool start = true) {
    auto directory = os::open_directory(directory_);
    ASSERT_TRUE(directory.has_value());
    journal_ = storage::Journal::open(std::move(*directory), options_);
    broker_.reset(new Broker{*journal_, catalog_, ledger_, peers_, limits_});
    if (start) journal_->start([](storage::Position) {}, [](const std::string&) {});
  }
  Client connected(std::string_view id, const ConnectOptions& o = {}, std::uint32_t slot = 1) {
    Client client(*broker_, slot);
    client.send(connect(id, o));
    EXPECT_FALSE(client.answers().empty());
    return client;
  }
  std::uint64_t received() const { return ledger_.counts(storage::Lane{0}).received; }

  std::filesystem::path directory_;
  storage::JournalOptions options_;
  BrokerOptions limits_;
  LiveCatalog catalog_{schema::built_in_catalog()};
  Ledger ledger_{1, 1};
  RecordedPeers peers_;
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<Broker> broker_;
};

}  // namespace rowgate::broker
