#include "gateway/net/listener.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <stdexcept>

namespace rowgate::net {
namespace {

using reuse_port = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

[[noreturn]] void cannot_listen(Kind kind, const std::string& host, std::uint16_t port,
                                const boost::system::error_code& error) {
  const auto [name, flag] = option_of(kind);
  std::string hint = fmt::format("check the address of `{}`", name);
  if (error == boost::asio::error::address_in_use) {
    hint = fmt::format(
        "another program listens there: stop it, or choose another port with {} HOST:PORT", flag);
  } else if (error == boost::asio::error::access_denied) {
    hint = fmt::format("ports below 1024 need privileges: choose another with {} HOST:PORT", flag);
  }
  throw std::runtime_error(
      fmt::format("cannot listen for MQTT on {}:{}: {}; {}", host, port, error.message(), hint));
}

/// The endpoint with its real port, if nobody listens there.
tcp::endpoint probe(const tcp::endpoint& wanted, boost::system::error_code& error) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io);
  acceptor.open(wanted.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(wanted, error);
  return error ? wanted : acceptor.local_endpoint(error);
}

/// This machine has no such address, or none of that family.
bool is_absent(const boost::system::error_code& error) {
  return error == boost::asio::error::address_family_not_supported ||
         error == boost::system::errc::address_not_available;
}

}  // namespace

ListenOption option_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::plain:
      break;
    case Kind::tls:
      return {"mqtt.tls_listen", "--mqtts"};
    case Kind::ws:
      return {"mqtt.ws_listen", "--ws"};
    case Kind::wss:
      return {"mqtt.wss_listen", "--wss"};
  }
  return {"mqtt.listen", "--mqtt"};
}

std::vector<Bound> claim(Listen& listen) {
  boost::asio::io_context io;
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(listen.host, std::to_string(listen.port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) cannot_listen(listen.kind, listen.host, listen.port, error);
  std::vector<Bound> all;
  boost::system::error_code absent;
  for (const auto& entry : found) {
    const tcp::endpoint wanted(entry.endpoint().address(), listen.port);
    const auto same = [&](const Bound& bound) { return bound.endpoint == wanted; };
    if (std::any_of(all.begin(), all.end(), same)) continue;
    const tcp::endpoint real = probe(wanted, error);
    if (is_absent(error)) {
      absent = error;
      continue;
    }
    if (error) cannot_listen(listen.kind, listen.host, listen.port, error);
    listen.port = real.port();  // where it was free to choose: the same for the next address
    all.push_back({listen.kind, real});
  }
  if (all.empty()) cannot_listen(listen.kind, listen.host, listen.port, absent);
  return all;
}

tcp::acceptor open_acceptor(boost::asio::io_context& io, const Bound& bound) {
  boost::system::error_code error;
  tcp::acceptor acceptor(io);
  acceptor.open(bound.endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(reuse_port(true), error);
  if (!error) acceptor.bind(bound.endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    cannot_listen(bound.kind, bound.endpoint.address().to_string(), bound.endpoint.port(), error);
  }
  return acceptor;
}

}  // namespace rowgate::net
