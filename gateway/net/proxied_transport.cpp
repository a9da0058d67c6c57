#include "gateway/net/proxied_transport.hpp"

#include "gateway/net/proxy_protocol.hpp"

namespace rowgate::net {

Transfer ProxiedTransport::receive(std::span<char> into) {
  if (open_) return below().receive(into);
  if (has_failed()) return discard(into);
  const Transfer got = read_header();
  return got.flow == Flow::bytes ? below().receive(into) : got;
}

// What follows the header belongs to the layer above, so no more is read than the header has.
Transfer ProxiedTransport::read_header() {
  while (true) {
    const ProxyHeader header = parse_proxy_header(header_);
    if (header.status == ProxyHeader::Status::error) return fail(header.reason);
    if (header.status == ProxyHeader::Status::complete) {
      address_ = header.address;
      std::string().swap(header_);
      if (!address_.empty() && !admit_(address_)) return fail("too many from one address");
      open_ = true;
      return {Flow::bytes, 0};
    }
    const std::size_t had = header_.size();
    header_.resize(header.size);
    const Transfer got = below().receive(std::span(header_).subspan(had));
    header_.resize(had + got.bytes);
    if (got.flow != Flow::bytes) return got;
  }
}

Transfer ProxiedTransport::send(std::string_view bytes) {
  return open_ ? below().send(bytes) : Transfer{Flow::closed, 0};
}

void ProxiedTransport::describe(broker::Peer& peer) const {
  below().describe(peer);
  if (!address_.empty()) peer.address = address_;
}

}  // namespace rowgate::net
