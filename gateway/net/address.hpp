#pragma once
// How an IP address is written, so that one client has one name: an IPv4 address that reaches an
// IPv6 socket is still an IPv4 address.
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>

namespace rowgate::net {

std::string address_text(const boost::asio::ip::address& address);

/// `bytes`: 4 or 16, in network order.
std::string address_text(std::string_view bytes);

}  // namespace rowgate::net
