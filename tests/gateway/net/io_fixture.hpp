#pragma once
// A running gateway without its database: the journal, the broker and three I/O threads, behind
// listeners of the test's choice.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gateway/net/io_threads.hpp"
#include "schema/mapping.hpp"
#include "tests/gateway/net/client.hpp"
#include "tests/gateway/wire.hpp"

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
    broker_.reset(new broker::Broker{*journal_, catalog_, ledger_, *io_, options});
    io_->open(*broker_, 3, net);
    journal_->start([this](storage::Position) { io_->journal_moved(); }, [](const std::string&) {});
    io_->start();
    running_ = true;
  }
  void stop() {
    running_ = false;
    io_->quiesce();
    journal_->stop();
    io_->finish();
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
  std::unique_ptr<broker::Broker> broker_;
  bool running_ = false;
};

inline const std::vector<Listen> plain_listener{{Kind::plain, "127.0.0.1", 0}};

}  // namespace rowgate::net
