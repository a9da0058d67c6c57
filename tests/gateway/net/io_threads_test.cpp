#include "gateway/net/io_threads.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/gateway/net/io_fixture.hpp"

namespace rowgate::net {
namespace {

using namespace wire;

class IoThreadsTest : public IoFixture {
 protected:
  explicit IoThreadsTest(const storage::JournalOptions& journal = roomy()) {
    start(plain_listener, {}, {}, {}, journal);
  }
};

TEST_F(IoThreadsTest, AcknowledgesAWindowOfPublishesInOrder) {
  const auto peer = connected("sensor");
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 2000; ++id) {
    sent += publish(Version::v311, "room/1", "21.5", QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  peer->send(sent);
  EXPECT_EQ(peer->read(expected.size()), expected);
}

TEST_F(IoThreadsTest, TakesAPacketByteByByte) {
  const auto peer = connected("sensor");
  for (const char byte : publish(Version::v311, "room/1", "21.5", QoS::exactly_once, 9)) {
    peer->send({&byte, 1});
  }
  EXPECT_EQ(peer->read(4), ack(PacketType::pubrec, 9));
}

TEST_F(IoThreadsTest, TakesAPacketLargerThanTheReadBuffer) {
  const auto peer = connected("sensor");
  const std::string large(400U << 10, 'x');
  peer->send(publish(Version::v311, "image", large, QoS::at_least_once, 1) +
             publish(Version::v311, "image", large, QoS::at_least_once, 2));
  EXPECT_EQ(peer->read(8), ack(PacketType::puback, 1) + ack(PacketType::puback, 2));
}

TEST_F(IoThreadsTest, TellsA5ClientWhyItIsClosedAlthoughBytesAreUnread) {
  const auto peer = connected("sensor", {.version = Version::v5});
  peer->send("\x36\0"s + std::string(200'000, '\xC0'));  // QoS 3
  const std::string answer = peer->read(3);
  ASSERT_EQ(answer.size(), 3U);
  EXPECT_EQ(answer.substr(0, 2), "\xE0\x01"s);
  EXPECT_TRUE(peer->closed());
}

class DeafClient : public Client {
 public:
  using Client::Client;
  /// How much it could send until its connection was cut off.
  std::size_t send_on(std::size_t most) {
    const std::string bytes(64U << 10, '\0');
    std::size_t sent = 0;
    while (sent < most) {
      const ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    return sent;
  }
};

TEST_F(IoThreadsTest, WhoSendsOnAfterHisEndIsNotReadAsFastAsHeSends) {
  DeafClient peer(port());
  open_session(peer, "deaf");
  peer.send("\x30\xFF\xFF\xFF\x7F"s);  // 256 MiB: larger than any packet may be
  EXPECT_LT(peer.send_on(256U << 20), 32U << 20);
}

TEST_F(IoThreadsTest, AMalformedClientDisturbsNobodyElse) {
  const auto good = connected("good");
  for (int i = 0; i < 20; ++i) {
    Client bad(port());
    bad.send("\xFF\xFF\xFF\xFF\xFF\xFF");
    EXPECT_TRUE(bad.closed());
  }
  good->send(publish(Version::v311, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(good->read(4), ack(PacketType::puback, 1));
}

TEST_F(IoThreadsTest, TheLastOfManyTakeOversHasTheSession) {
  std::vector<std::unique_ptr<Client>> peers;
  for (int i = 0; i < 30; ++i) {
    peers.push_back(std::make_unique<Client>(port()));
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
  Client next(port());
  next.send(connect("sensor"));
  EXPECT_EQ(next.read(4), connack_v311);
}

TEST_F(IoThreadsTest, DeliversLiveCopiesAcrossThreads) {
  const auto reader = connected("reader");
  reader->send(subscribe(Version::v311, 1, "room/#", 1));
  reader->read(5);
  for (int i = 0; i < 8; ++i) {  // spread over the threads by the kernel
    const auto writer = connected("writer" + std::to_string(i));
    writer->send(publish(Version::v311, "room/1", "x", QoS::at_least_once, 1));
    EXPECT_EQ(writer->read(4), ack(PacketType::puback, 1));
    const auto id = static_cast<std::uint16_t>(i + 1);
    const std::string copy = publish(Version::v311, "room/1", "x", QoS::at_least_once, id);
    EXPECT_EQ(reader->read(copy.size()), copy);
    reader->send(ack(PacketType::puback, id));
  }
}

TEST_F(IoThreadsTest, AcknowledgesWhatItHasReadBeforeItStops) {
  const auto peer = connected("sensor", {.version = Version::v5});
  peer->send(publish(Version::v5, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(peer->read(4), ack(PacketType::puback, 1));
  std::thread stopper([this] { stop(); });
  EXPECT_EQ(peer->read(3), "\xE0\x01\x8B"s);
  peer->close();
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

  void fill() {
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
  }
};

TEST_F(FullJournalTest, APublisherWaitsInPeaceUntilThereIsRoom) {
  fill();
  const std::string large(1000, 'x');
  const auto publisher = connected("sensor");
  const auto other = connected("other");
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 10; ++id) {
    sent += publish(Version::v311, "a", large, QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  publisher->send(sent);
  const auto& stalls = broker_->counters.stalls;
  while (stalls.load() == 0) std::this_thread::yield();
  for (int i = 0; i < 500; ++i) {
    other->send("\xC0\0"s);
    ASSERT_EQ(other->read(2), "\xD0\0"s);
  }
  EXPECT_LE(stalls.load(), 3U) << "it asks again and again";

  std::jthread drain([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      journal_->trim(journal_->durable());
      io_->journal_moved();
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(publisher->read(expected.size()), expected);
}

TEST_F(FullJournalTest, WhoIsHeldGetsHisPingrespAndLosesNothingByGoing) {
  fill();
  const std::string large(1000, 'x');
  auto publisher = connected("sensor");
  for (std::uint16_t id = 1; id <= 3; ++id) {
    publisher->send(publish(Version::v311, "a", large, QoS::at_least_once, id));
  }
  for (int i = 0; i < 2; ++i) {
    publisher->send("\xC0\0"s);
    EXPECT_EQ(publisher->read(2), "\xD0\0"s);
  }
  publisher->send("\xC0\0"s + publish(Version::v311, "a", large, QoS::at_least_once, 4));
  EXPECT_EQ(publisher->read(2), "\xD0\0"s);
  publisher->close();
  const auto before = journal_->appended();
  journal_->trim(journal_->durable());
  io_->journal_moved();
  while (journal_->appended().value < before.value + 4000) std::this_thread::yield();
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

class ListenersTest : public IoFixture {};

TEST_F(ListenersTest, AllReachTheSameBroker) {
  start({{Kind::plain, "127.0.0.1", 0}, {Kind::plain, "localhost", 0}, {Kind::ws, "127.0.0.1", 0}});
  Client reader(port(0));
  open_session(reader, "reader");
  reader.send(subscribe(Version::v311, 1, "a", 0));
  reader.read(5);
  const std::string copy = publish(Version::v311, "a", "x", QoS::at_most_once, 0);
  Client writer(port(1));
  open_session(writer, "writer");
  writer.send(copy);
  EXPECT_EQ(reader.read(copy.size()), copy);
  Client below(port(2));
  WebSocketClient browser(below);
  browser.upgrade();
  browser.send(connect("browser") + copy);
  EXPECT_EQ(reader.read(copy.size()), copy);
}

TEST_F(ListenersTest, AnAddressHasItsShareOfConnections) {
  start(plain_listener, {}, {.max_connections_per_address = 2});
  auto first = connected("first");
  const auto second = connected("second");
  Client third(port());
  EXPECT_TRUE(third.closed());
  first->close();
  while (broker_->counters.connections.load() > 1) std::this_thread::yield();
  const auto fourth = connected("fourth");
  Client fifth(port());
  EXPECT_TRUE(fifth.closed());
}

TEST_F(ListenersTest, BehindAProxyTheShareIsTheClientsNotTheProxys) {
  start(plain_listener, {}, {.max_connections_per_address = 1, .proxy_protocol = true});
  const auto header = [](char last) {
    return "\r\n\r\n\0\r\nQUIT\n"s + "\x21\x11\0\x0C"s + "\xC0\0\x02"s + last +
           std::string(8, '\1');
  };
  Client one(port());
  one.send(header(1));
  open_session(one, "one");
  Client other(port());
  other.send(header(2));
  open_session(other, "other");
  Client again(port());
  again.send(header(1) + connect("again"));
  EXPECT_TRUE(again.closed());
}

TEST_F(ListenersTest, ThoseWhoComeTooFastWaitAndAreNotRefused) {
  start(plain_listener, {}, {.max_connects_per_second = 100});
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(std::make_unique<Client>(port()));
  for (int i = 0; i < 50; ++i)
    open_session(*clients[static_cast<std::size_t>(i)], std::to_string(i));
  // 10 at once, 3 more because three threads accept, then one each 10 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(350));
}

}  // namespace
}  // namespace rowgate::net
