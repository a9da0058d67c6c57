#pragma once
// Binding a listening address once and opening it as many times as there are I/O threads.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

namespace rowgate::net {

using tcp = boost::asio::ip::tcp;

/// Resolves the address and makes sure that nobody listens there: with SO_REUSEPORT a second
/// gateway could otherwise quietly share the port. Port 0 is replaced by a free one. Throws
/// std::runtime_error with a sentence for people.
tcp::endpoint claim_endpoint(const std::string& host, std::uint16_t port);

/// A listening socket with SO_REUSEPORT, so that the kernel spreads connections over the threads.
tcp::acceptor open_acceptor(boost::asio::io_context& io, const tcp::endpoint& endpoint);

}  // namespace rowgate::net
