#pragma once
// The addresses that clients connect to: binding each once, and opening it as many times as there
// are I/O threads.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace rowgate::net {

using tcp = boost::asio::ip::tcp;

/// What clients speak below MQTT.
enum class Kind : std::uint8_t { plain, tls, ws, wss };

constexpr bool is_tls(Kind kind) noexcept {
  return kind == Kind::tls || kind == Kind::wss;
}
constexpr bool is_websocket(Kind kind) noexcept {
  return kind == Kind::ws || kind == Kind::wss;
}

/// One listener, as it was asked for. Once claimed, `port` is the real one.
struct Listen {
  Kind kind = Kind::plain;
  std::string host;
  std::uint16_t port = 0;  // 0: the system chooses
};

/// The option that asks for a listener of that kind, and its flag; for messages.
struct ListenOption {
  const char* name;
  const char* flag;
};
ListenOption option_of(Kind kind) noexcept;

struct Bound {
  Kind kind = Kind::plain;
  tcp::endpoint endpoint;
};

/// Resolves the address and makes sure that nobody listens there: with SO_REUSEPORT a second
/// gateway could otherwise quietly share the port. Port 0 is replaced by a free one. A name has an
/// endpoint for each of its addresses; those that this machine does not have are left out, unless
/// none remains. Throws std::runtime_error with a sentence for people.
std::vector<Bound> claim(Listen& listen);

/// A listening socket with SO_REUSEPORT, so that the kernel spreads connections over the threads.
tcp::acceptor open_acceptor(boost::asio::io_context& io, const Bound& bound);

}  // namespace rowgate::net
