#include "gateway/net/listener.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <stdexcept>

namespace rowgate::net {
namespace {

using reuse_port = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

[[noreturn]] void cannot_listen(const std::string& host, std::uint16_t port,
                                const boost::system::error_code& error) {
  const char* hint = "check the address of `mqtt.listen`";
  if (error == boost::asio::error::address_in_use) {
    hint = "another program listens there: stop it, or choose another port with --mqtt HOST:PORT";
  } else if (error == boost::asio::error::access_denied) {
    hint = "ports below 1024 need privileges: choose another with --mqtt HOST:PORT";
  }
  throw std::runtime_error(
      fmt::format("cannot listen for MQTT on {}:{}: {}; {}", host, port, error.message(), hint));
}

}  // namespace

tcp::endpoint claim_endpoint(const std::string& host, std::uint16_t port) {
  boost::asio::io_context io;
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(
      host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) cannot_listen(host, port, error);
  const tcp::endpoint wanted = found.begin()->endpoint();
  tcp::acceptor probe(io);
  probe.open(wanted.protocol(), error);
  if (!error) probe.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) probe.bind(wanted, error);
  if (error) cannot_listen(host, port, error);
  return probe.local_endpoint();
}

tcp::acceptor open_acceptor(boost::asio::io_context& io, const tcp::endpoint& endpoint) {
  boost::system::error_code error;
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(reuse_port(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) cannot_listen(endpoint.address().to_string(), endpoint.port(), error);
  return acceptor;
}

}  // namespace rowgate::net
