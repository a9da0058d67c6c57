// The beginning of a connection behind a load balancer: a header of the PROXY protocol, version 2,
// cut anywhere. The verdict does not depend on the cuts, and no more is asked for than there can
// be.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/net/proxy_protocol.hpp"
#include "tests/fuzz/must.hpp"

using rowgate::net::parse_proxy_header;
using rowgate::net::ProxyHeader;
using Status = rowgate::net::ProxyHeader::Status;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const ProxyHeader whole = parse_proxy_header(input);
  switch (whole.status) {
    case Status::complete:
      must(whole.size >= ProxyHeader::fixed_bytes && whole.size <= input.size());
      must(whole.address.size() < 64);
      break;
    case Status::need_more:
      must(whole.size > input.size() && whole.size <= ProxyHeader::max_bytes);
      break;
    case Status::error:
      must(!whole.reason.empty());
      break;
  }
  for (std::size_t cut = 0; cut < input.size() && cut < 64; ++cut) {
    const ProxyHeader part = parse_proxy_header(input.substr(0, cut));
    if (part.status == Status::error) must(whole.status == Status::error);
    if (part.status == Status::complete) {
      must(whole.status == Status::complete && whole.size == part.size);
      must(whole.address == part.address);
    }
  }
  return 0;
}
