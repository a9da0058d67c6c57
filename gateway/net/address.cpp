#include "gateway/net/address.hpp"

#include <algorithm>

namespace rowgate::net {

namespace ip = boost::asio::ip;

std::string address_text(const ip::address& address) {
  if (address.is_v4()) return address.to_v4().to_string();
  ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, v6).to_string();
  v6.scope_id(0);
  return v6.to_string();
}

std::string address_text(std::string_view bytes) {
  if (bytes.size() == 4) {
    ip::address_v4::bytes_type v4{};
    std::copy(bytes.begin(), bytes.end(), v4.begin());
    return address_text(ip::address(ip::address_v4(v4)));
  }
  ip::address_v6::bytes_type v6{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), v6.size()), v6.begin());
  return address_text(ip::address(ip::address_v6(v6)));
}

}  // namespace rowgate::net
