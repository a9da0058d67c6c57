#pragma once
// Blocking clients for tests: TCP, TLS, and WebSocket over either. Every read gives up after ten
// seconds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include "tests/gateway/net/certificates.hpp"

namespace rowgate::net {

class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) : socket_(io_) {
    std::signal(SIGPIPE, SIG_IGN);
    const boost::asio::ip::tcp::endpoint to{boost::asio::ip::address_v4::loopback(), port};
    socket_.open(to.protocol());
    if (receive_buffer > 0) {
      ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    socket_.connect(to);
    const timeval limit{10, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    socket_.set_option(boost::asio::ip::tcp::no_delay(true));
  }
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  virtual void send(std::string_view bytes) { raw_send(bytes); }
  /// How many of the bytes can be sent now; what is left must be offered next.
  virtual std::size_t send_some(std::string_view bytes) {
    const ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  /// At least one byte, or empty at the end.
  virtual std::string read_some(std::size_t most) { return raw_read(most); }
  virtual void end_sending() { ::shutdown(fd(), SHUT_WR); }

  /// Exactly n bytes, fewer if the server closes before.
  std::string read(std::size_t n) {
    std::string bytes;
    while (bytes.size() < n) {
      const std::string more = read_some(n - bytes.size());
      if (more.empty()) break;
      bytes += more;
    }
    return bytes;
  }
  bool closed() { return read(1).empty(); }
  void close() { socket_.close(); }

  void raw_send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has closed: what it said is still to be read
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::string raw_read(std::size_t most) {
    std::string bytes(most, '\0');
    const ssize_t n = ::recv(fd(), bytes.data(), most, 0);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    return bytes;
  }

 protected:
  int fd() { return socket_.native_handle(); }

 private:
  static inline boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
};

struct TlsWish {
  const Identity* authority = nullptr;  // which the server's certificate must be signed by
  const Identity* own = nullptr;        // presented, if asked for
  int version = 0;                      // TLS1_2_VERSION, TLS1_3_VERSION; 0: any
  std::string ciphers{};                // of TLS 1.2
  std::string before{};                 // sent in the clear first
  SSL_SESSION* resume = nullptr;
};

class TlsClient final : public Client {
 public:
  TlsClient(std::uint16_t port, const TlsWish& wish) : Client(port) {
    context_.reset(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX* const c = context_.get();
    SSL_CTX_set_min_proto_version(c, wish.version);
    SSL_CTX_set_max_proto_version(c, wish.version);
    SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_AUTO_RETRY);
    if (!wish.ciphers.empty()) SSL_CTX_set_cipher_list(c, wish.ciphers.c_str());
    if (wish.authority) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(c), wish.authority->certificate.get());
      SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
    }
    if (wish.own) {
      SSL_CTX_use_certificate(c, wish.own->certificate.get());
      SSL_CTX_use_PrivateKey(c, wish.own->key.get());
    }
    raw_send(wish.before);
    ssl_.reset(SSL_new(c), SSL_free);
    if (wish.resume) SSL_set_session(ssl_.get(), wish.resume);
    SSL_set_fd(ssl_.get(), fd());
    open_ = SSL_connect(ssl_.get()) == 1;
  }
  /// The handshake succeeded, as far as the client can tell: in TLS 1.3 a server that does not like
  /// its certificate says so later.
  bool open() const { return open_; }
  void send(std::string_view bytes) override {
    while (open_ && !bytes.empty()) {
      const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::size_t send_some(std::string_view bytes) override {
    if (bytes.empty()) return 0;
    const int flags = ::fcntl(fd(), F_GETFL);
    ::fcntl(fd(), F_SETFL, flags | O_NONBLOCK);
    const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    ::fcntl(fd(), F_SETFL, flags);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  std::string read_some(std::size_t most) override {
    std::string bytes(most, '\0');
    const int n = open_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(most)) : 0;
    bytes.resize(static_cast<std::size_t>(std::max(n, 0)));
    return bytes;
  }
  void end_sending() override {
    SSL_shutdown(ssl_.get());
    Client::end_sending();
  }
  std::string server_name() const {
    const X509* peer = SSL_get0_peer_certificate(ssl_.get());
    char name[256] = "";
    if (peer) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
    }
    return name;
  }
  SSL* ssl() { return ssl_.get(); }

 private:
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  bool open_ = false;
};

/// A client's frame, masked.
inline std::string frame(std::uint8_t opcode, std::string_view payload, bool final = true) {
  std::string out(1, static_cast<char>((final ? 0x80U : 0U) | opcode));
  const std::size_t n = payload.size();
  const unsigned bytes = n < 126 ? 0 : n <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(0x80U | (bytes == 0 ? n : bytes == 2 ? 126U : 127U)));
  for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<char>(n >> (8U * i)));
  const std::string_view mask("\x11\xA2\x33\xC4", 4);
  out.append(mask);
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(payload[i]) ^
                                    static_cast<unsigned char>(mask[i % 4])));
  }
  return out;
}

inline constexpr std::uint8_t op_more = 0, op_text = 1, op_binary = 2, op_close = 8, op_ping = 9,
                              op_pong = 10;

inline std::string upgrade_request(std::string_view protocol = "mqtt") {
  std::string request =
      "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!protocol.empty()) request.append("Sec-WebSocket-Protocol: ").append(protocol).append("\r\n");
  return request + "\r\n";
}

/// WebSocket over another client, which must outlive it.
class WebSocketClient {
 public:
  explicit WebSocketClient(Client& below) : below_(below) {}

  /// The answer's head.
  std::string upgrade(std::string_view protocol = "mqtt") {
    below_.send(upgrade_request(protocol));
    return read_head();
  }
  std::string read_head() {
    std::string head;
    while (head.size() < 4 || head.substr(head.size() - 4) != "\r\n\r\n") {
      const std::string byte = below_.read(1);
      if (byte.empty()) break;
      head += byte;
    }
    return head;
  }
  void send(std::string_view payload) { below_.send(frame(op_binary, payload)); }

  struct Frame {
    unsigned opcode = 255;  // there is none: the server has closed
    std::string payload{};
  };
  Frame read_frame() {
    const std::string head = below_.read(2);
    if (head.size() < 2) return {};
    std::size_t size = static_cast<unsigned char>(head[1]);
    EXPECT_LT(size, 128U) << "a server does not mask";
    if (size >= 126) {
      const std::string more = below_.read(size == 126 ? 2 : 8);
      size = 0;
      for (const char byte : more) size = size << 8U | static_cast<unsigned char>(byte);
    }
    return {static_cast<unsigned char>(head[0]) & 0x0FU, below_.read(size)};
  }
  /// The payload of binary frames, n bytes in all.
  std::string read(std::size_t n) {
    std::string bytes;
    while (bytes.size() < n) {
      const Frame next = read_frame();
      if (next.opcode != op_binary) break;
      bytes += next.payload;
    }
    return bytes;
  }

 private:
  Client& below_;
};

}  // namespace rowgate::net
