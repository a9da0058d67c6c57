#pragma once
// Packets as a client sends them, for tests.
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/bytes.hpp"

namespace rowgate::wire {

using namespace std::string_literals;
using mqtt::PacketType;
using mqtt::QoS;
using mqtt::ReasonCode;
using mqtt::Version;

/// A packet from its first byte and its body.
inline std::string packet(std::uint8_t first, const std::string& body) {
  std::string out(1, static_cast<char>(first));
  mqtt::append_varint(out, static_cast<std::uint32_t>(body.size()));
  return out + body;
}
inline std::string text(std::string_view s) {
  std::string out;
  Writer(out).be(static_cast<std::uint16_t>(s.size()));
  return out.append(s);
}
inline std::string number16(std::uint16_t n) {
  std::string out;
  Writer(out).be(n);
  return out;
}

struct ConnectOptions {
  Version version = Version::v311;
  bool clean = true;
  std::uint16_t keep_alive = 0;
  std::string properties{};  // 5.0
};
inline std::string connect(std::string_view client, const ConnectOptions& o = {}) {
  std::string body = text("MQTT") + static_cast<char>(o.version) + (o.clean ? '\2' : '\0') +
                     number16(o.keep_alive);
  if (o.version == Version::v5) body += static_cast<char>(o.properties.size()) + o.properties;
  return packet(0x10, body + text(client));
}
/// Session Expiry Interval, as a CONNECT property.
inline std::string expiry(std::uint32_t seconds) {
  std::string out = "\x11";
  Writer(out).be(seconds);
  return out;
}
inline std::string publish(Version version, std::string_view topic, std::string_view payload,
                           QoS qos, std::uint16_t id, std::string_view properties = {}) {
  std::string out;
  mqtt::encode_publish(out, version,
                       {.topic = topic,
                        .payload = payload,
                        .properties = properties,
                        .packet_id = id,
                        .qos = qos,
                        .retain = false,
                        .dup = false});
  return out;
}
inline std::string ack(PacketType type, std::uint16_t id, ReasonCode code = ReasonCode::success,
                       Version version = Version::v311) {
  std::string out;
  mqtt::encode_ack(out, version, type, {id, code});
  return out;
}
inline std::string subscribe(Version version, std::uint16_t id, std::string_view filter,
                             std::uint8_t options) {
  return packet(0x82, number16(id) + (version == Version::v5 ? "\0"s : ""s) + text(filter) +
                          static_cast<char>(options));
}
inline const std::string connack_v311 = "\x20\x02\0\0"s;
inline const std::string connack_v311_present = "\x20\x02\1\0"s;

}  // namespace rowgate::wire
