#include "bench/flood/packets.hpp"

#include <array>
#include <random>
#include <string_view>

namespace rowgate::flood {

using namespace std::string_view_literals;

std::string connect_packet(const std::string& client_id) {
  std::string packet(1, 0x10);
  packet.push_back(static_cast<char>(12 + client_id.size()));
  packet += "\0\4MQTT\4\2\0\0\0"sv;
  packet.push_back(static_cast<char>(client_id.size()));
  return packet + client_id;
}

std::string subscribe_to_everything(std::uint8_t qos) {
  std::string packet("\x82\x06\0\1\0\1#"sv);
  packet.push_back(static_cast<char>(qos));
  return packet;
}

std::string bad_packet(std::uint32_t n, const std::string& client_id) {
  // Behind a CONNECT.
  constexpr std::array behind{
      "\x00\x00"sv,              // no such type
      "\xF0\x00"sv,              // AUTH in 3.1.1
      "\x36\x05\0\1a\0\1"sv,     // QoS 3
      "\x32\x05\0\1a\0\0"sv,     // packet id 0
      "\x30\x03\0\1+"sv,         // a wildcard in a topic name
      "\x30\x04\0\2\xC3\x28"sv,  // no UTF-8
      "\x30\x04\xFF\xFF"
      "ab"sv,                             // a topic longer than the packet
      "\x30\xFF\xFF\xFF\xFF\x7F"sv,       // Remaining Length of five bytes
      "\x80\x06\0\1\0\1#\0"sv,            // SUBSCRIBE with wrong flags
      "\x82\x02\0\1"sv,                   // SUBSCRIBE without a filter
      "\x82\x07\0\1\0\2a#\0"sv,           // a filter that is none
      "\x20\x02\0\0"sv,                   // a server's packet
      "\xC0\x01\0"sv,                     // PINGREQ with a body
      "\x10\x0D\0\4MQTT\4\2\0\0\0\1x"sv,  // a second CONNECT
  };
  // In its place.
  constexpr std::array instead{
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n"sv,
      "\x16\x03\x01\x02\0\1\0\1\xFC\x03\x03"sv,  // a TLS hello
      "\x10\x0D\0\4MQTX\4\2\0\0\0\1x"sv,         // another protocol
      "\x10\x0D\0\4MQTT\4\1\0\0\0\1x"sv,         // the reserved connect flag
      "\x10\x0D\0\4MQTT\4\2\0\0\xFF\xFFx"sv,     // a client id longer than the packet
      "\x30\x03\0\1a"sv,                         // PUBLISH first
      "\x10\x00"sv,                              // an empty CONNECT
  };
  n %= static_cast<std::uint32_t>(behind.size() + instead.size() + 4);
  if (n < behind.size()) return connect_packet(client_id).append(behind[n]);
  n -= static_cast<std::uint32_t>(behind.size());
  if (n < instead.size()) return std::string(instead[n]);
  static std::mt19937 random(1);
  std::string noise = n % 2 == 0 ? connect_packet(client_id) : std::string();
  for (int i = 0; i < 200; ++i) noise.push_back(static_cast<char>(random() & 0xFFU));
  return noise;
}

std::string giant_head(bool publish) {
  std::string packet(publish ? "\x30"sv : "\x10"sv);
  packet += "\xFF\xFF\xFF\x7F"sv;
  if (publish) packet += "\0\5giant"sv;
  return packet;
}

}  // namespace rowgate::flood
