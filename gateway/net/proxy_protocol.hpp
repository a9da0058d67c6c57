#pragma once
// The header of the PROXY protocol, version 2, with which a load balancer says whose connection it
// passes on. Pure: bytes in, an address out. Of the specification (HAProxy's proxy-protocol.txt,
// section 2.2) everything is accepted that may be ignored: UNIX addresses, TLVs; version 1, a line
// of text, is refused.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rowgate::net {

struct ProxyHeader {
  enum class Status : std::uint8_t { need_more, complete, error };

  /// Of the fixed part, and of the longest header taken with its addresses and TLVs.
  static constexpr std::size_t fixed_bytes = 16;
  static constexpr std::size_t max_bytes = 4096;

  Status status = Status::need_more;
  std::size_t size = fixed_bytes;  // bytes of the header in all, as far as known
  std::string address{};           // the client's IP; empty: the proxy speaks for itself (LOCAL)
  std::string_view reason{};       // of an error; lives for ever
};

/// What the bytes say, which begin at the connection's first; those after `size` are not looked at.
ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace rowgate::net
