#include "gateway/net/io_threads.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <thread>

#include "schema/mapping.hpp"
#include "tests/gateway/wire.hpp"

namespace rowgate::net {
namespace {

using namespace wire;
namespace asio = boost::asio;

/// A blocking client; every read gives up after ten seconds.
class Peer {
 public:
  explicit Peer(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    const timeval limit{10, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  /// Exactly n bytes, fewer if the server closes before.
  std::string read(std::size_t n) {
    std::string bytes(n, '\0');
    std::size_t had = 0;
    while (had < n) {
      const ssize_t got = ::recv(socket_.native_handle(), bytes.data() + had, n - had, 0);
      if (got <= 0) break;
      had += static_cast<std::size_t>(got);
    }
    bytes.resize(had);
    return bytes;
  }
  bool closed() { return read(1).empty(); }
  void close() { socket_.close(); }

 private:
  static inline asio::io_context io_;
  tcp::socket socket_;
};

class IoThreadsTest : public ::testing::Test {
 protected:
  static storage::JournalOptions roomy() {
    storage::JournalOptions options;
    options.segment_bytes = 4U << 20;
    options.batch_bytes = 1U << 20;
    return options;
  }
  explicit IoThreadsTest(const storage::JournalOptions& options = roomy())
      : directory_(std::filesystem::temp_directory_path() /
                   ("rowgate-net-" + std::to_string(::getpid()) + "-" +
                    ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    // As in the program, logging begins before the threads: TSan does not see libspdlog's own
    // guard.
    spdlog::set_level(spdlog::level::warn);
    std::filesystem::remove_all(directory_);
    journal_ = storage::Journal::open(std::move(*os::open_directory(directory_)), options);
    broker_.reset(new broker::Broker{*journal_, catalog_, ledger_, listener_, {}});
    listener_.open(*broker_, 3, {});
    journal_->start([this](storage::Position) { listener_.journal_moved(); },
                    [](const std::string&) {});
    listener_.start();
  }
  ~IoThreadsTest() override {
    if (running_) stop();
    std::filesystem::remove_all(directory_);
  }
  std::uint16_t port() const { return listener_.listeners().front().port; }
  void stop() {
    running_ = false;
    listener_.quiesce();
    journal_->stop();
    listener_.finish();
  }
  Peer connected(std::string_view id, const ConnectOptions& o = {}) {
    Peer peer(port());
    peer.send(connect(id, o));
    if (o.version == Version::v311) {
      EXPECT_EQ(peer.read(4), connack_v311);
    } else {
      const std::string head = peer.read(2);
      peer.read(static_cast<std::size_t>(head.at(1)));
    }
    return peer;
  }

  std::filesystem::path directory_;
  broker::LiveCatalog catalog_{schema::built_in_catalog()};
  broker::Ledger ledger_{3, 1};
  std::unique_ptr<storage::Journal> journal_;
  IoThreads listener_{std::vector<Listen>{{Kind::plain, "127.0.0.1", 0}}};
  std::unique_ptr<broker::Broker> broker_;
  bool running_ = true;
};

TEST_F(IoThreadsTest, AcknowledgesAWindowOfPublishesInOrder) {
  Peer peer = connected("sensor");
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 2000; ++id) {
    sent += publish(Version::v311, "room/1", "21.5", QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  peer.send(sent);
  EXPECT_EQ(peer.read(expected.size()), expected);
}

TEST_F(IoThreadsTest, TakesAPacketByteByByte) {
  Peer peer = connected("sensor");
  for (const char byte : publish(Version::v311, "room/1", "21.5", QoS::exactly_once, 9)) {
    peer.send({&byte, 1});
  }
  EXPECT_EQ(peer.read(4), ack(PacketType::pubrec, 9));
}

TEST_F(IoThreadsTest, TakesAPacketLargerThanTheReadBuffer) {
  Peer peer = connected("sensor");
  const std::string large(400U << 10, 'x');
  peer.send(publish(Version::v311, "image", large, QoS::at_least_once, 1) +
            publish(Version::v311, "image", large, QoS::at_least_once, 2));
  EXPECT_EQ(peer.read(8), ack(PacketType::puback, 1) + ack(PacketType::puback, 2));
}

TEST_F(IoThreadsTest, TellsA5ClientWhyItIsClosedAlthoughBytesAreUnread) {
  Peer peer = connected("sensor", {.version = Version::v5});
  peer.send("\x36\0"s + std::string(200'000, '\xC0'));  // QoS 3
  const std::string answer = peer.read(3);
  ASSERT_EQ(answer.size(), 3U);
  EXPECT_EQ(answer.substr(0, 2), "\xE0\x01"s);
  EXPECT_TRUE(peer.closed());
}

TEST_F(IoThreadsTest, AMalformedClientDisturbsNobodyElse) {
  Peer good = connected("good");
  for (int i = 0; i < 20; ++i) {
    Peer bad(port());
    bad.send("\xFF\xFF\xFF\xFF\xFF\xFF");
    EXPECT_TRUE(bad.closed());
  }
  good.send(publish(Version::v311, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(good.read(4), ack(PacketType::puback, 1));
}

TEST_F(IoThreadsTest, TheLastOfManyTakeOversHasTheSession) {
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 30; ++i) {
    peers.push_back(std::make_unique<Peer>(port()));
    peers.back()->send(connect("sensor"));
  }
  int alive = 0;
  for (const auto& peer : peers) {
    // Each is either answered and later closed, or closed while it waited; one of them stays.
    const std::string answer = peer->read(4);
    if (answer != connack_v311) continue;
    peer->send(publish(Version::v311, "a", "x", QoS::at_least_once, 1));
    if (peer->read(4) == ack(PacketType::puback, 1)) ++alive;
  }
  EXPECT_GE(alive, 1);
  EXPECT_EQ(broker_->registry.size(), 1U);
  Peer next(port());
  next.send(connect("sensor"));
  EXPECT_EQ(next.read(4), connack_v311);
}

TEST_F(IoThreadsTest, DeliversLiveCopiesAcrossThreads) {
  Peer reader = connected("reader");
  reader.send(subscribe(Version::v311, 1, "room/#", 1));
  reader.read(5);
  for (int i = 0; i < 8; ++i) {  // spread over the threads by the kernel
    Peer writer = connected("writer" + std::to_string(i));
    writer.send(publish(Version::v311, "room/1", "x", QoS::at_least_once, 1));
    EXPECT_EQ(writer.read(4), ack(PacketType::puback, 1));
    const auto id = static_cast<std::uint16_t>(i + 1);
    const std::string copy = publish(Version::v311, "room/1", "x", QoS::at_least_once, id);
    EXPECT_EQ(reader.read(copy.size()), copy);
    reader.send(ack(PacketType::puback, id));
  }
}

TEST_F(IoThreadsTest, AcknowledgesWhatItHasReadBeforeItStops) {
  Peer peer = connected("sensor", {.version = Version::v5});
  peer.send(publish(Version::v5, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(peer.read(4), ack(PacketType::puback, 1));
  std::thread stopper([this] { stop(); });
  EXPECT_EQ(peer.read(3), "\xE0\x01\x8B"s);
  peer.close();
  stopper.join();
}

class FullJournalTest : public IoThreadsTest {
 protected:
  static storage::JournalOptions small() {
    storage::JournalOptions options;
    options.max_bytes = 256U << 10;
    options.segment_bytes = 64U << 10;
    options.batch_bytes = 16U << 10;
    return options;
  }
  FullJournalTest() : IoThreadsTest(small()) {}
};

TEST_F(FullJournalTest, APublisherWaitsInPeaceUntilThereIsRoom) {
  const std::string large(1000, 'x');
  storage::PublishRecord filler;
  filler.client_id = "filler";
  filler.payload = large;
  filler.qos = 1;
  const auto full = [&] {
    const auto appended = journal_->append(filler);
    return !appended && appended.error() == storage::AppendError::full;
  };
  while (!full() || journal_->durable() < journal_->appended()) std::this_thread::yield();

  Peer publisher = connected("sensor");
  Peer other = connected("other");
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 10; ++id) {
    sent += publish(Version::v311, "a", large, QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  publisher.send(sent);
  const auto& stalls = broker_->counters.stalls;
  while (stalls.load() == 0) std::this_thread::yield();
  for (int i = 0; i < 500; ++i) {
    other.send("\xC0\0"s);
    ASSERT_EQ(other.read(2), "\xD0\0"s);
  }
  EXPECT_LE(stalls.load(), 3U) << "it asks again and again";

  std::jthread drain([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      journal_->trim(journal_->durable());
      listener_.journal_moved();
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(publisher.read(expected.size()), expected);
}

TEST_F(IoThreadsTest, RefusesAPortThatIsInUse) {
  try {
    IoThreads second({{Kind::plain, "127.0.0.1", port()}});
    FAIL() << "bound a port in use";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("another program listens there"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace rowgate::net
