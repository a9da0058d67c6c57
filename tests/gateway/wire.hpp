#pragma once
// Packets as a client sends them, for tests.
#include <cstdint>
#include <optional>
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

struct WillOptions {
  std::string topic;
  std::string payload;
  QoS qos{};
  bool retain = false;
  std::string properties{};  // 5.0
};
struct ConnectOptions {
  Version version = Version::v311;
  bool clean = true;
  std::uint16_t keep_alive = 0;
  std::string properties{};  // 5.0
  std::optional<WillOptions> will{};
  std::optional<std::string> user{};
  std::optional<std::string> password{};
};
inline std::string connect(std::string_view client, const ConnectOptions& o = {}) {
  const bool five = o.version == Version::v5;
  unsigned flags = o.clean ? 2 : 0;
  if (o.will) {
    flags |= 4U | static_cast<unsigned>(o.will->qos) << 3 | (o.will->retain ? 0x20U : 0U);
  }
  flags |= (o.user ? 0x80U : 0U) | (o.password ? 0x40U : 0U);
  std::string body = text("MQTT") + static_cast<char>(o.version) + static_cast<char>(flags) +
                     number16(o.keep_alive);
  if (five) body += static_cast<char>(o.properties.size()) + o.properties;
  body += text(client);
  if (o.will) {
    if (five) body += static_cast<char>(o.will->properties.size()) + o.will->properties;
    body += text(o.will->topic) + text(o.will->payload);
  }
  if (o.user) body += text(*o.user);
  if (o.password) body += text(*o.password);
  return packet(0x10, body);
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
inline std::string retained(Version version, std::string_view topic, std::string_view payload,
                            QoS qos = QoS::at_most_once, std::uint16_t id = 0,
                            std::string_view properties = {}) {
  std::string out = publish(version, topic, payload, qos, id, properties);
  out[0] = static_cast<char>(out[0] | 1);
  return out;
}
/// The same packet, sent again.
inline std::string dup(std::string publish) {
  publish[0] = static_cast<char>(publish[0] | 8);
  return publish;
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
inline std::string suback(Version version, std::uint16_t id, std::string codes) {
  return packet(0x90, number16(id) + (version == Version::v5 ? "\0"s : ""s) + codes);
}
inline std::string unsubscribe(Version version, std::uint16_t id, std::string_view filter) {
  return packet(0xA2, number16(id) + (version == Version::v5 ? "\0"s : ""s) + text(filter));
}
inline const std::string disconnect = "\xE0\0"s;
/// Will Delay Interval, as a will property.
inline std::string will_delay(std::uint32_t seconds) {
  std::string out = "\x18";
  Writer(out).be(seconds);
  return out;
}
inline const std::string connack_v311 = "\x20\x02\0\0"s;
inline const std::string connack_v311_present = "\x20\x02\1\0"s;

}  // namespace rowgate::wire
