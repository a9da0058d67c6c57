// Each transport on a real socket, with the same hardships.
#include <gtest/gtest.h>

#include <thread>

#include "tests/gateway/net/io_fixture.hpp"

namespace rowgate::net {
namespace {

using namespace wire;

/// A server's certificate signed by an authority, and a client's by another.
class Keys {
 public:
  explicit Keys(const std::filesystem::path& directory)
      : options{.certificate = directory / "server.pem", .key = directory / "server.key"} {
    renew("first");
  }
  void renew(const std::string& name) {
    const Identity server = issue({.cn = name, .san = "IP:127.0.0.1"}, &authority);
    write_certificate(options.certificate, server);
    write_key(options.key, server);
  }

  Identity authority = issue({.cn = "authority", .authority = true});
  TlsOptions options;
};

/// An MQTT client over any kind of listener.
class AnyClient {
 public:
  AnyClient(Kind kind, std::uint16_t port, const Identity& authority, int receive_buffer = 0) {
    if (is_tls(kind)) {
      auto tls = std::make_unique<TlsClient>(port, TlsWish{.authority = &authority});
      EXPECT_TRUE(tls->open());
      below_ = std::move(tls);
    } else {
      below_ = std::make_unique<Client>(port, receive_buffer);
    }
    if (is_websocket(kind)) {
      websocket_ = std::make_unique<WebSocketClient>(*below_);
      EXPECT_NE(websocket_->upgrade().find(" 101 "), std::string::npos);
    }
  }
  /// One message or record, as far as there are such things.
  void send(std::string_view bytes) { websocket_ ? websocket_->send(bytes) : below_->send(bytes); }
  std::string read(std::size_t n) { return websocket_ ? websocket_->read(n) : below_->read(n); }
  Client& below() { return *below_; }

 private:
  std::unique_ptr<Client> below_;
  std::unique_ptr<WebSocketClient> websocket_;
};

class TransportTest : public IoFixture, public ::testing::WithParamInterface<Kind> {
 protected:
  AnyClient client(int receive_buffer = 0) {
    return {GetParam(), port(), keys_.authority, receive_buffer};
  }
  void start(const NetOptions& net = {}, const broker::BrokerOptions& options = {}) {
    IoFixture::start({{GetParam(), "127.0.0.1", 0}}, keys_.options, net, options);
  }

  Keys keys_{directory_};
};

std::string kind_name(const ::testing::TestParamInfo<Kind>& kind) {
  constexpr const char* names[] = {"Plain", "Tls", "Ws", "Wss"};
  return names[static_cast<std::size_t>(kind.param)];
}

INSTANTIATE_TEST_SUITE_P(Transports, TransportTest,
                         ::testing::Values(Kind::plain, Kind::tls, Kind::ws, Kind::wss), kind_name);

TEST_P(TransportTest, TakesPacketsByteByByteAndManyAtOnce) {
  start();
  AnyClient c = client();
  for (const char byte : connect("sensor")) c.send({&byte, 1});
  EXPECT_EQ(c.read(4), connack_v311);
  for (const char byte : publish(Version::v311, "a", "x", QoS::at_least_once, 9)) {
    c.send({&byte, 1});
  }
  EXPECT_EQ(c.read(4), ack(PacketType::puback, 9));
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 1000; ++id) {
    sent += publish(Version::v311, "room/1", "21.5", QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  c.send(sent);
  EXPECT_EQ(c.read(expected.size()), expected);
}

TEST_P(TransportTest, TakesAPacketLargerThanEveryBuffer) {
  start();
  AnyClient c = client();
  c.send(connect("sensor"));
  EXPECT_EQ(c.read(4), connack_v311);
  const std::string large(900U << 10, 'x');
  c.send(publish(Version::v311, "image", large, QoS::at_least_once, 1) +
         publish(Version::v311, "image", large, QoS::at_least_once, 2));
  EXPECT_EQ(c.read(8), ack(PacketType::puback, 1) + ack(PacketType::puback, 2));
}

TEST_P(TransportTest, DeliversAMessageLargerThanEveryBuffer) {
  start();
  AnyClient reader = client(4096);
  reader.send(connect("reader") + subscribe(Version::v311, 1, "image", 0));
  EXPECT_EQ(reader.read(4 + 5).substr(0, 4), connack_v311);
  std::string image(900U << 10, '\0');
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<char>(i / 251);
  AnyClient writer = client();
  const std::string sent = publish(Version::v311, "image", image, QoS::at_most_once, 0);
  writer.send(connect("writer") + sent);
  EXPECT_TRUE(reader.read(sent.size()) == sent);
}

TEST_P(TransportTest, AClientThatStopsReadingGetsEverythingWhenItGoesOn) {
  start();
  AnyClient c = client(4096);
  c.send(connect("sensor"));
  EXPECT_EQ(c.read(4), connack_v311);
  constexpr std::size_t answers = 4U << 20;
  std::string pings(65'534, '\0');
  for (std::size_t i = 0; i < pings.size(); i += 2) pings[i] = '\xC0';
  const std::string one = is_websocket(GetParam()) ? frame(op_binary, pings) : pings;
  std::string sent;
  std::size_t expected = 0;
  for (; expected < answers; expected += pings.size()) sent += one;

  std::string_view left = sent;
  const auto send_what_fits = [&] {
    while (const std::size_t n = c.below().send_some(left)) left.remove_prefix(n);
  };
  send_what_fits();  // nobody reads: every buffer on the way fills
  for (std::size_t got = 0; got < expected;) {
    const std::string some = c.read(std::min(pings.size(), expected - got));
    ASSERT_EQ(some.substr(0, 2), "\xD0\0"s) << got << " of " << expected;
    got += some.size();
    send_what_fits();
  }
  EXPECT_TRUE(left.empty());
}

TEST_P(TransportTest, AHalfClosedClientIsClosed) {
  start();
  AnyClient c = client();
  c.send(connect("sensor"));
  EXPECT_EQ(c.read(4), connack_v311);
  c.below().end_sending();
  EXPECT_EQ(c.read(1), "");
  EXPECT_EQ(c.below().raw_read(1), "") << "the connection itself is closed, too";
}

TEST_P(TransportTest, AHalfClosedClientIsClosedAlsoBeforeItSaysWhoItIs) {
  start();
  Client c(port());
  c.end_sending();
  EXPECT_TRUE(c.closed());
}

TEST_P(TransportTest, TheConnectTimeOutCoversEveryLayer) {
  broker::BrokerOptions options;
  options.connect_timeout = std::chrono::seconds(1);
  start({}, options);
  Client silent(port());
  Client trickle(port());
  std::jthread dripping([&](const std::stop_token& stop) {
    // The first bytes of what each layer expects, never all of it.
    const std::string begin = is_tls(GetParam())         ? "\x16\x03\x01\x02\0\x01\0\x01\xFC"s
                              : is_websocket(GetParam()) ? "GET / HTTP/1.1\r\nX"s
                                                         : "\x10\x7F\0"s;
    for (std::size_t i = 0; !stop.stop_requested(); ++i) {
      trickle.raw_send(i < begin.size() ? begin.substr(i, 1) : "x"s);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the pace is the attack
    }
  });
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(trickle.closed());
}

TEST_P(TransportTest, Sends5ClientsTheReasonBeforeItCloses) {
  start();
  AnyClient c = client();
  c.send(connect("sensor", {.version = Version::v5}));
  const std::string head = c.read(2);
  // A WebSocket's payload comes as it was framed; the rest of the CONNACK with it.
  if (head.size() == 2) c.read(static_cast<std::size_t>(head[1]));
  c.send("\x36\0"s);  // QoS 3
  const std::string answer = c.read(3);
  ASSERT_GE(answer.size(), 3U);
  EXPECT_EQ(answer.substr(0, 2), "\xE0\x01"s);
  EXPECT_EQ(c.read(1), "");
}

TEST_P(TransportTest, TakesWhatComesRightBehindAProxyHeader) {
  start({.proxy_protocol = true});
  const std::string header =
      "\r\n\r\n\0\r\nQUIT\n"s + "\x21\x11\0\x0C"s + "\xC0\0\x02\x07"s + std::string(8, '\1');
  if (is_tls(GetParam())) {
    TlsClient c(port(), {.authority = &keys_.authority, .before = header});
    EXPECT_TRUE(c.open());
    if (is_websocket(GetParam())) {
      WebSocketClient w(c);
      EXPECT_NE(w.upgrade().find(" 101 "), std::string::npos);
      return;
    }
    return open_session(c, "sensor");
  }
  for (std::size_t cut = 1; cut < header.size(); ++cut) {
    Client c(port());
    c.send(header.substr(0, cut));
    if (is_websocket(GetParam())) {
      c.send(header.substr(cut) + upgrade_request() + frame(op_binary, connect("sensor")));
      WebSocketClient w(c);
      EXPECT_NE(w.read_head().find(" 101 "), std::string::npos);
      EXPECT_EQ(w.read(4), connack_v311);
    } else {
      c.send(header.substr(cut) + connect("sensor"));
      EXPECT_EQ(c.read(4), connack_v311);
    }
  }
}

TEST_P(TransportTest, WithoutAProxyHeaderNothingIsTaken) {
  start({.proxy_protocol = true});
  Client direct(port());
  direct.send(connect("sensor"));
  EXPECT_TRUE(direct.closed());
  Client version1(port());
  version1.send("PROXY TCP4 192.0.2.7 127.0.0.1 49374 1883\r\n" + connect("sensor"));
  EXPECT_TRUE(version1.closed());
}

TEST_P(TransportTest, GarbageOnOneConnectionDisturbsNoOther) {
  start();
  AnyClient good = client();
  for (int i = 0; i < 10; ++i) {
    Client bad(port());
    bad.send("\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8\xF7\xF6\xF5");
    while (!bad.closed()) continue;  // TLS says so in an alert first
  }
  good.send(connect("good"));
  EXPECT_EQ(good.read(4), connack_v311);
}

}  // namespace
}  // namespace rowgate::net
