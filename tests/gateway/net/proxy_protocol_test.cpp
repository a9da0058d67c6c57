#include "gateway/net/proxy_protocol.hpp"

#include <gtest/gtest.h>

namespace rowgate::net {
namespace {

using namespace std::string_literals;
using Status = ProxyHeader::Status;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string ipv4 =
    signature + "\x21\x11\0\x0C"s + "\xC0\0\x02\x07"s + "\x7F\0\0\1"s + "\xC0\xDE\x07\x5B"s;

ProxyHeader of(const std::string& rest) {
  return parse_proxy_header(signature + rest);
}

TEST(ProxyProtocol, NamesTheClientOfAnIpv4Connection) {
  const ProxyHeader header = parse_proxy_header(ipv4 + "\x10more");
  EXPECT_EQ(header.status, Status::complete);
  EXPECT_EQ(header.address, "192.0.2.7");
  EXPECT_EQ(header.size, ipv4.size());
}

TEST(ProxyProtocol, NamesTheClientOfAnIpv6Connection) {
  const std::string from = "\x20\x01\x0D\xB8"s + std::string(11, '\0') + "\x05";
  const ProxyHeader header = of("\x21\x21\0\x24"s + from + std::string(20, '\0'));
  EXPECT_EQ(header.status, Status::complete);
  EXPECT_EQ(header.address, "2001:db8::5");
}

TEST(ProxyProtocol, AnIpv4AddressInIpv6IsTheSameClient) {
  const std::string from = std::string(10, '\0') + "\xFF\xFF\xC0\0\x02\x07"s;
  EXPECT_EQ(of("\x21\x21\0\x24"s + from + std::string(20, '\0')).address, "192.0.2.7");
}

TEST(ProxyProtocol, AsksForMoreAtEveryCut) {
  for (std::size_t n = 0; n < ipv4.size(); ++n) {
    const ProxyHeader header = parse_proxy_header(ipv4.substr(0, n));
    EXPECT_EQ(header.status, Status::need_more) << n;
    EXPECT_EQ(header.size, n < 16 ? 16U : ipv4.size()) << n;
  }
}

TEST(ProxyProtocol, SkipsWhatStandsBehindTheAddresses) {
  const std::string tlv = "\x04\0\x03xyz"s;
  const ProxyHeader header = of("\x21\x11\0\x12"s + "\x0A\0\0\x09"s + std::string(8, '\0') + tlv);
  EXPECT_EQ(header.status, Status::complete);
  EXPECT_EQ(header.address, "10.0.0.9");
  EXPECT_EQ(header.size, 16U + 18U);
}

TEST(ProxyProtocol, LocalAndOtherFamiliesNameNobody) {
  for (const std::string& rest : {"\x20\x00\0\0"s, "\x20\x11\0\x0C"s + std::string(12, 'a'),
                                  "\x21\x31\0\xD8"s + std::string(216, 'u'), "\x21\x00\0\0"s}) {
    const ProxyHeader header = of(rest);
    EXPECT_EQ(header.status, Status::complete);
    EXPECT_EQ(header.address, "");
  }
}

TEST(ProxyProtocol, RefusesVersion1AndSaysWhatToDo) {
  for (const char* begin : {"P", "PROX", "PROXY TCP4 192.0.2.7 127.0.0.1 49374 1883\r\n"}) {
    const ProxyHeader header = parse_proxy_header(begin);
    EXPECT_EQ(header.status, Status::error) << begin;
    EXPECT_NE(header.reason.find("version 2"), std::string_view::npos) << begin;
  }
}

TEST(ProxyProtocol, RefusesWhatIsNoHeaderAtItsFirstByte) {
  EXPECT_EQ(parse_proxy_header("\x10").status, Status::error);
  EXPECT_EQ(parse_proxy_header("\x16\x03\x01").status, Status::error);
  EXPECT_EQ(parse_proxy_header(signature.substr(0, 11) + "?").status, Status::error);
}

TEST(ProxyProtocol, RefusesUnknownVersionsAndCommandsAndWrongLengths) {
  EXPECT_EQ(of("\x31\x11\0\x0C"s).status, Status::error);
  EXPECT_EQ(of("\x22\x11\0\x0C"s).status, Status::error);
  EXPECT_EQ(of("\x21\x11\0\x0B"s).status, Status::error) << "shorter than two IPv4 addresses";
  EXPECT_EQ(of("\x21\x21\0\x23"s).status, Status::error) << "shorter than two IPv6 addresses";
  EXPECT_EQ(of("\x21\x11\xFF\xFF"s).status, Status::error) << "longer than is kept";
}

}  // namespace
}  // namespace rowgate::net
