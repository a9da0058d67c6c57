#include "gateway/net/proxy_protocol.hpp"

#include <algorithm>

#include "gateway/net/address.hpp"

namespace rowgate::net {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::uint8_t command_local = 0x20;  // version 2 in the upper half
constexpr std::uint8_t command_proxy = 0x21;
constexpr std::uint8_t family_ipv4 = 0x10;  // upper half; the lower half is the transport
constexpr std::uint8_t family_ipv6 = 0x20;

std::uint8_t byte(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

ProxyHeader error(std::string_view reason) {
  ProxyHeader header;
  header.status = ProxyHeader::Status::error;
  header.reason = reason;
  return header;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  const std::string_view begun = bytes.substr(0, signature.size());
  if (begun != signature.substr(0, begun.size())) {
    return error(bytes.substr(0, 5) == "PROXY"sv.substr(0, std::min<std::size_t>(bytes.size(), 5))
                     ? "PROXY protocol version 1: set the proxy to version 2"
                     : "no PROXY protocol header (mqtt.proxy_protocol is on): let clients come "
                       "through the proxy");
  }
  ProxyHeader header;
  if (bytes.size() < ProxyHeader::fixed_bytes) return header;
  const std::uint8_t command = byte(bytes, 12);
  if (command != command_local && command != command_proxy) {
    return error("PROXY header of an unknown version or command");
  }
  const std::uint8_t family = byte(bytes, 13) & 0xF0U;
  const std::size_t length = std::size_t{byte(bytes, 14)} << 8U | byte(bytes, 15);
  header.size = ProxyHeader::fixed_bytes + length;
  if (header.size > ProxyHeader::max_bytes) return error("PROXY header longer than 4096 bytes");
  const bool has_address =
      command == command_proxy && (family == family_ipv4 || family == family_ipv6);
  const std::size_t address_bytes = family == family_ipv4 ? 4 : 16;
  if (has_address && length < 2 * (address_bytes + 2)) {
    return error("PROXY header too short for its addresses");
  }
  if (bytes.size() < header.size) return header;
  if (has_address) {
    header.address = address_text(bytes.substr(ProxyHeader::fixed_bytes, address_bytes));
  }
  header.status = ProxyHeader::Status::complete;
  return header;
}

}  // namespace rowgate::net
