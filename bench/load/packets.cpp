#include "bench/load/packets.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstring>

namespace rowgate::load {

namespace {

constexpr std::size_t time_digits = 13;  // unix milliseconds

void append_u16(std::string& out, std::size_t v) {
  out.push_back(static_cast<char>(v >> 8));
  out.push_back(static_cast<char>(v & 0xff));
}

void append_text(std::string& out, std::string_view text) {
  append_u16(out, text.size());
  out += text;
}

void append_varint(std::string& out, std::size_t v) {
  do {
    const auto low = v % 128;
    v /= 128;
    out.push_back(static_cast<char>(low | (v > 0 ? 0x80 : 0)));
  } while (v > 0);
}

std::string topic_name(Payload payload, std::uint32_t topic) {
  return fmt::format("bench/{:06}/{}", topic, payload == Payload::json ? "climate" : "value");
}

std::string payload_text(Payload payload) {
  if (payload == Payload::scalar) return std::string(sequence_digits, '0');
  return R"({"ts":0000000000000,"device":"..........","temperature":21.00,"humidity":45.00,)"
         R"("pressure":1013.25,"battery":3.71,"seq":0000000000})";
}

/// Length of one property's value (2.2.2.2), for those a CONNACK may carry; 0 when unknown.
std::size_t property_size(std::uint8_t id, std::string_view rest) noexcept {
  const auto text = [&](std::size_t at) -> std::size_t {
    if (rest.size() < at + 2) return rest.size() + 1;
    return at + 2 +
           static_cast<std::size_t>(static_cast<unsigned char>(rest[at]) << 8 |
                                    static_cast<unsigned char>(rest[at + 1]));
  };
  switch (id) {
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2A:
      return 1;
    case 0x13:
    case 0x21:
    case 0x22:
      return 2;
    case 0x11:
    case 0x27:
      return 4;
    case 0x12:
    case 0x15:
    case 0x16:
    case 0x1A:
    case 0x1C:
    case 0x1F:
      return text(0);
    case 0x26:
      return text(text(0));
    default:
      return 0;
  }
}

}  // namespace

std::string client_id(std::string_view prefix, std::uint32_t index) {
  return fmt::format("{}-{:05}", prefix, index);
}

DecimalCounter::DecimalCounter(std::uint64_t value) noexcept {
  for (std::size_t i = sequence_digits; i-- > 0;) {
    digits_[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

PublishTemplates::PublishTemplates(const Options& options)
    : topics_(options.topics), has_id_(options.qos > 0), json_(options.payload == Payload::json) {
  const std::string payload = payload_text(options.payload);
  for (std::uint32_t topic = 0; topic < topics_; ++topic) {
    std::string body;
    append_text(body, topic_name(options.payload, topic));
    const std::size_t id_in_body = body.size();
    if (has_id_) append_u16(body, 0);
    if (options.version == 5) body.push_back(0);  // no properties
    const std::size_t payload_in_body = body.size();
    body += payload;

    std::string packet(1, static_cast<char>(0x30 | options.qos << 1));
    append_varint(packet, body.size());
    id_at_ = packet.size() + id_in_body;
    const std::size_t payload_at = packet.size() + payload_in_body;
    packet += body;
    packet_size_ = packet.size();
    sequence_at_ = json_ ? packet_size_ - 1 - sequence_digits : payload_at;
    if (json_) {
      time_at_ = payload_at + payload.find(':') + 1;
      device_at_ = payload_at + payload.find("..");
      temperature_at_ = payload_at + payload.find("21.00");
      humidity_at_ = payload_at + payload.find("45.00");
      // The first digits of the time are the run's; the last ten are each message's sequence.
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
      const std::string digits = fmt::format("{:013}", ms);
      std::memcpy(packet.data() + time_at_, digits.data(), time_digits);
    }
    packets_ += packet;
  }
}

void PublishTemplates::write(char* out, std::uint32_t topic, std::uint16_t id, bool dup,
                             const char* client, const char* sequence) const noexcept {
  std::memcpy(out, packets_.data() + std::size_t{topic} * packet_size_, packet_size_);
  if (has_id_) {
    out[id_at_] = static_cast<char>(id >> 8);
    out[id_at_ + 1] = static_cast<char>(id & 0xff);
    if (dup) out[0] = static_cast<char>(out[0] | 0x08);
  }
  std::memcpy(out + sequence_at_, sequence, sequence_digits);
  if (!json_) return;
  std::memcpy(out + device_at_, client, client_id_size);
  // One message, one value: a resend must carry the same payload, so all follows from the sequence.
  std::memcpy(out + time_at_ + time_digits - 8, sequence + sequence_digits - 8, 8);
  std::memcpy(out + temperature_at_ + 3, sequence + sequence_digits - 2, 2);
  out[temperature_at_ + 1] = sequence[sequence_digits - 3];
  std::memcpy(out + humidity_at_ + 3, sequence + sequence_digits - 3, 2);
}

std::string encode_connect(std::uint32_t version, std::string_view id, bool clean) {
  std::string body;
  append_text(body, "MQTT");
  body.push_back(static_cast<char>(version == 5 ? 5 : 4));
  body.push_back(clean ? 0x02 : 0x00);
  append_u16(body, 0);
  if (version == 5) {
    body.push_back(5);  // one property
    body.push_back(0x11);
    append_u16(body, 0);
    append_u16(body, 3600);
  }
  append_text(body, id);
  std::string packet(1, 0x10);
  append_varint(packet, body.size());
  return packet + body;
}

Connack decode_connack(std::string_view body, std::uint32_t version) noexcept {
  Connack connack;
  if (body.size() < 2) return connack;
  connack.valid = true;
  connack.session_present = (body[0] & 1) != 0;
  connack.reason = static_cast<std::uint8_t>(body[1]);
  if (version != 5) return connack;
  std::size_t at = 2;
  while (at < body.size() && (body[at] & 0x80) != 0) ++at;  // property length: all that is left
  ++at;
  while (at + 1 < body.size()) {
    const auto id = static_cast<std::uint8_t>(body[at]);
    const std::string_view rest = body.substr(at + 1);
    const std::size_t size = property_size(id, rest);
    if (size == 0 || size > rest.size()) break;
    if (id == 0x21) {
      connack.receive_maximum = static_cast<std::uint16_t>(
          static_cast<unsigned char>(rest[0]) << 8 | static_cast<unsigned char>(rest[1]));
    }
    at += 1 + size;
  }
  return connack;
}

}  // namespace rowgate::load
