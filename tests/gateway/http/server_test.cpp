#include "gateway/http/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rowgate::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

/// A client that sends bytes as they are and reads what comes back.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(context_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  /// Up to and with the blank line.
  std::string read_header() {
    const auto size = asio::read_until(socket_, asio::dynamic_buffer(read_), "\r\n\r\n");
    return take(size);
  }
  std::string read(std::size_t size) {
    if (read_.size() < size) {
      asio::read(socket_, asio::dynamic_buffer(read_), asio::transfer_exactly(size - read_.size()));
    }
    return take(size);
  }
  /// Everything until the server closes or resets.
  std::string read_all() {
    boost::system::error_code error;
    asio::read(socket_, asio::dynamic_buffer(read_), asio::transfer_all(), error);
    return std::exchange(read_, {});
  }

 private:
  std::string take(std::size_t size) {
    std::string taken = read_.substr(0, size);
    read_.erase(0, size);
    return taken;
  }

  asio::io_context context_;
  tcp::socket socket_;
  std::string read_;
};

Endpoints endpoints() {
  Endpoints made;
  made.live = [] { return Answer{true, "live"}; };
  made.ready = [] { return Answer{false, "starting"}; };
  made.metrics = [] { return std::string("m 1\n"); };
  made.reload_mapping = [] { return Answer{true, "generation 2"}; };
  return made;
}

std::string ask(const Server& server, std::string_view request) {
  Client client(server.port());
  client.send(request);
  return client.read_all();
}

TEST(http_server, answers_a_get_with_status_length_and_body) {
  const Server server("127.0.0.1", 0, endpoints());
  const std::string reply =
      ask(server, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\nlive\n"));
}

TEST(http_server, answers_503_while_not_ready) {
  const Server server("127.0.0.1", 0, endpoints());
  EXPECT_THAT(ask(server, "GET /readyz HTTP/1.0\r\n\r\n"), HasSubstr(" 503 "));
}

TEST(http_server, head_has_the_length_of_get_and_no_body) {
  const Server server("127.0.0.1", 0, endpoints());
  const std::string reply =
      ask(server, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(reply, testing::EndsWith("\r\n\r\n"));
}

TEST(http_server, serves_several_requests_on_one_connection) {
  const Server server("127.0.0.1", 0, endpoints());
  Client client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.read_header(), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(client.read(4), "m 1\n");
  }
  client.send("POST /mapping/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(client.read_header(), StartsWith("HTTP/1.1 200"));
}

TEST(http_server, answers_a_request_that_arrives_byte_by_byte) {
  const Server server("127.0.0.1", 0, endpoints());
  Client client(server.port());
  for (const char c : std::string("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) client.send({&c, 1});
  EXPECT_THAT(client.read_header(), StartsWith("HTTP/1.1 200"));
}

TEST(http_server, what_is_not_http_gets_400_and_is_closed) {
  const Server server("127.0.0.1", 0, endpoints());
  EXPECT_THAT(ask(server, "\x10\x0c\x00\x04MQTT\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST(http_server, header_beyond_the_limit_gets_431_and_is_closed) {
  const Server server("127.0.0.1", 0, endpoints());
  const std::string reply =
      ask(server, "GET / HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 431"));
}

TEST(http_server, body_beyond_the_limit_gets_413_and_is_closed) {
  const Server server("127.0.0.1", 0, endpoints());
  const std::string reply =
      ask(server, "POST /mapping/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 413"));
}

TEST(http_server, connection_beyond_the_limit_is_closed_and_one_that_leaves_makes_room) {
  const Server server("127.0.0.1", 0, endpoints());
  std::vector<std::unique_ptr<Client>> clients;
  const auto fetch = [](Client& client) -> bool {
    try {
      client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      return client.read_header().starts_with("HTTP/1.1 200") && client.read(5) == "live\n";
    } catch (const boost::system::system_error&) {
      return false;
    }
  };
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    ASSERT_TRUE(fetch(*clients.back())) << i;
  }
  Client beyond(server.port());
  EXPECT_FALSE(fetch(beyond));
  clients.pop_back();
  // The server sees the close some time later: ask until it has.
  bool served = false;
  for (int i = 0; i < 1000 && !served; ++i) {
    Client again(server.port());
    served = fetch(again);
  }
  EXPECT_TRUE(served);
}

TEST(http_server, stop_does_not_wait_for_a_slow_client) {
  Server server("127.0.0.1", 0, endpoints());
  Client silent(server.port());
  Client halfway(server.port());
  halfway.send("GET /healthz HTTP/1.1\r\n");
  Client served(server.port());
  served.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  served.read_header();  // by now the others are accepted too
  const auto before = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_EQ(halfway.read_all(), "");
}

TEST(http_server, stop_twice_is_stop_once) {
  Server server("127.0.0.1", 0, endpoints());
  server.stop();
  server.stop();
}

TEST(http_server, port_in_use_is_an_error_that_says_what_to_do) {
  const Server first("127.0.0.1", 0, endpoints());
  try {
    const Server second("127.0.0.1", first.port(), endpoints());
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("127.0.0.1:" + std::to_string(first.port())));
    EXPECT_THAT(e.what(), HasSubstr("in use"));
    EXPECT_THAT(e.what(), HasSubstr("--http"));
  }
}

TEST(http_server, port_is_free_again_after_stop) {
  Server first("127.0.0.1", 0, endpoints());
  const std::uint16_t port = first.port();
  ask(first, "GET /healthz HTTP/1.0\r\n\r\n");
  first.stop();
  const Server second("127.0.0.1", port, endpoints());
  EXPECT_EQ(second.port(), port);
}

TEST(http_server, endpoints_are_called_on_one_thread_that_is_not_the_callers) {
  std::atomic<std::thread::id> seen;
  Endpoints recording = endpoints();
  recording.live = [&] {
    seen = std::this_thread::get_id();
    return Answer{};
  };
  const Server server("127.0.0.1", 0, recording);
  ask(server, "GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(seen.load() != std::thread::id());
  EXPECT_TRUE(seen.load() != std::this_thread::get_id());
}

}  // namespace
}  // namespace rowgate::http
