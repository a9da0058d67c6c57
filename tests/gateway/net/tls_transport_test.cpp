#include "gateway/net/tls_transport.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "gateway/net/tcp_transport.hpp"
#include "tests/gateway/net/io_fixture.hpp"

namespace rowgate::net {
namespace {

using namespace wire;

class TlsTest : public IoFixture {
 protected:
  TlsTest() { renew(issue({.cn = "first", .san = "IP:127.0.0.1"}, &authority_)); }

  void renew(const Identity& server) {
    write_certificate(options_.certificate, server);
    write_key(options_.key, server);
  }
  void start() { IoFixture::start({{Kind::tls, "127.0.0.1", 0}}, options_); }
  /// Whether such a client gets as far as its CONNACK.
  bool welcome(const TlsWish& wish) {
    TlsClient client(port(), wish);
    if (client.open()) client.send(connect("sensor"));
    return client.read(4) == connack_v311;
  }
  void require_client_certificates() {
    options_.client_ca = directory_ / "clients.pem";
    write_certificate(options_.client_ca, client_authority_);
  }

  Identity authority_ = issue({.cn = "authority", .authority = true});
  Identity client_authority_ = issue({.cn = "clients", .authority = true});
  TlsOptions options_{.certificate = directory_ / "server.pem", .key = directory_ / "server.key"};
};

TEST_F(TlsTest, SpeaksTls12AndTls13AndNothingOlder) {
  start();
  EXPECT_TRUE(welcome({.authority = &authority_, .version = TLS1_2_VERSION}));
  EXPECT_TRUE(welcome({.authority = &authority_, .version = TLS1_3_VERSION}));
  EXPECT_FALSE(welcome({.version = TLS1_1_VERSION}));
  EXPECT_FALSE(welcome({.version = TLS1_VERSION}));
}

TEST_F(TlsTest, MinVersion13RefusesTls12) {
  options_.min_version = "1.3";
  start();
  EXPECT_FALSE(welcome({.version = TLS1_2_VERSION}));
  EXPECT_TRUE(welcome({.version = TLS1_3_VERSION}));
}

TEST_F(TlsTest, Tls12HasForwardSecrecyAndAuthenticatedEncryptionOnly) {
  start();
  const auto with = [&](const char* ciphers) {
    return welcome({.version = TLS1_2_VERSION, .ciphers = ciphers});
  };
  EXPECT_TRUE(with("ECDHE-ECDSA-AES128-GCM-SHA256"));
  EXPECT_TRUE(with("ECDHE-ECDSA-CHACHA20-POLY1305"));
  EXPECT_FALSE(with("ECDHE-ECDSA-AES128-SHA"));
  EXPECT_FALSE(with("ECDHE-ECDSA-AES256-SHA384"));
}

TEST_F(TlsTest, DoesNotRenegotiate) {
  start();
  TlsClient client(port(), {.version = TLS1_2_VERSION});
  open_session(client, "sensor");
  SSL_renegotiate(client.ssl());
  EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
}

TEST_F(TlsTest, AClientMustShowACertificateOfItsAuthority) {
  require_client_certificates();
  start();
  const Identity good = issue({.cn = "pump"}, &client_authority_);
  const Identity stranger = issue({.cn = "pump"}, &authority_);
  const Identity expired = issue({.cn = "pump", .days = -1}, &client_authority_);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_TRUE(welcome({.own = &good, .version = version}));
    EXPECT_FALSE(welcome({.version = version}));
    EXPECT_FALSE(welcome({.own = &stranger, .version = version}));
    EXPECT_FALSE(welcome({.own = &expired, .version = version}));
  }
}

TEST_F(TlsTest, AResumedSessionIsWelcomeAlsoWithAClientCertificate) {
  require_client_certificates();
  start();
  const Identity good = issue({.cn = "pump"}, &client_authority_);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient first(port(), {.own = &good, .version = version});
    open_session(first, "sensor");
    const std::shared_ptr<SSL_SESSION> ticket(SSL_get1_session(first.ssl()), SSL_SESSION_free);
    TlsClient second(port(), {.own = &good, .version = version, .resume = ticket.get()});
    EXPECT_TRUE(second.open());
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
    open_session(second, "other");
  }
}

TEST_F(TlsTest, ReloadsItsCertificateWhileConnectionsLive) {
  start();
  TlsClient old(port(), {.authority = &authority_});
  open_session(old, "sensor");
  EXPECT_EQ(old.server_name(), "first");
  renew(issue({.cn = "second", .san = "IP:127.0.0.1"}, &authority_));
  io_->reload_certificate();
  TlsClient fresh(port(), {.authority = &authority_});
  EXPECT_EQ(fresh.server_name(), "second");
  open_session(fresh, "other");
  old.send(publish(Version::v311, "a", "x", QoS::at_least_once, 1));
  EXPECT_EQ(old.read(4), ack(PacketType::puback, 1));
}

TEST_F(TlsTest, ABrokenCertificateIsNotTaken) {
  start();
  spdlog::set_level(spdlog::level::off);
  write_key(options_.key, issue({.cn = "other"}));
  io_->reload_certificate();
  spdlog::set_level(spdlog::level::warn);
  TlsClient client(port(), {.authority = &authority_});
  EXPECT_EQ(client.server_name(), "first");
}

TEST_F(TlsTest, MqttWithoutTlsIsClosedAtOnce) {
  start();
  Client client(port());
  client.send(connect("sensor"));
  EXPECT_TRUE(client.closed());
}

TEST_F(TlsTest, AListenerWithoutACertificateSaysWhatToSet) {
  try {
    IoThreads threads({{Kind::wss, "127.0.0.1", 0}}, {});
    FAIL() << "listens without a certificate";
  } catch (const std::runtime_error& error) {
    const std::string said = error.what();
    EXPECT_NE(said.find("mqtt.wss_listen"), std::string::npos) << said;
    EXPECT_NE(said.find("`tls.certificate` and `tls.key`"), std::string::npos) << said;
  }
}

TEST_F(TlsTest, KnowsTheUserOfTheCertificate) {
  require_client_certificates();
  const TlsContext context(options_);
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  const Identity pump = issue({.cn = "pump 7"}, &client_authority_);
  std::jthread client([&, port = acceptor.local_endpoint().port()] {
    TlsClient c(port, {.own = &pump});
    c.send("hello");
    c.read(1);
  });
  TlsTransport transport(std::make_unique<TcpTransport>(acceptor.accept()), *context.current(),
                         CertificateField::cn);
  std::array<char, 100> buffer{};
  Transfer got;
  while ((got = transport.receive(buffer)).flow == Flow::would_block) std::this_thread::yield();
  EXPECT_EQ(got.flow, Flow::bytes);
  EXPECT_EQ(std::string(buffer.data(), got.bytes), "hello");
  broker::Peer peer;
  transport.describe(peer);
  EXPECT_EQ(peer.certificate_user, "pump 7");
  EXPECT_TRUE(peer.secure);
  transport.shutdown_send();
}

// One receive() takes less than a record has: what is left is no longer in the socket.
TEST_F(TlsTest, SaysThatMoreIsPendingThanTheSocketShows) {
  const TlsContext context(options_);
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  std::jthread client([&, port = acceptor.local_endpoint().port()] {
    TlsClient c(port, {});
    c.send(std::string(10'000, 'x'));
    c.read(1);
  });
  TlsTransport transport(std::make_unique<TcpTransport>(acceptor.accept()), *context.current(),
                         CertificateField::none);
  std::array<char, 100> buffer{};
  Transfer got;
  while ((got = transport.receive(buffer)).flow == Flow::would_block) std::this_thread::yield();
  std::size_t sum = got.bytes;
  while (transport.pending()) {
    static int wakes = 0;
    wakes = 0;
    transport.wait_readable(
        {[](void* count, broker::ConnectionRef) { ++*static_cast<int*>(count); }, &wakes, {}});
    io.restart();
    io.run();  // ends: nothing waits for the socket
    ASSERT_EQ(wakes, 1);
    sum += transport.receive(buffer).bytes;
  }
  EXPECT_EQ(sum, 10'000U);
  EXPECT_EQ(transport.receive(buffer).flow, Flow::would_block);
  transport.shutdown_send();
}

}  // namespace
}  // namespace rowgate::net
