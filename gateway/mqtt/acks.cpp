#include "gateway/mqtt/acks.hpp"

#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

PropertySet property_set(PacketType type) noexcept {
  switch (type) {
    case PacketType::puback:
      return PropertySet::puback;
    case PacketType::pubrec:
      return PropertySet::pubrec;
    case PacketType::pubrel:
      return PropertySet::pubrel;
    default:
      return PropertySet::pubcomp;
  }
}

// Tables 3-4 to 3-7.
bool may_carry(PacketType type, ReasonCode code) noexcept {
  if (code == ReasonCode::success) return true;
  if (type == PacketType::pubrel || type == PacketType::pubcomp) {
    return code == ReasonCode::packet_identifier_not_found;
  }
  switch (code) {
    case ReasonCode::no_matching_subscribers:
    case ReasonCode::unspecified_error:
    case ReasonCode::implementation_specific_error:
    case ReasonCode::not_authorized:
    case ReasonCode::topic_name_invalid:
    case ReasonCode::packet_identifier_in_use:
    case ReasonCode::quota_exceeded:
    case ReasonCode::payload_format_invalid:
      return true;
    default:
      return false;
  }
}

}  // namespace

Decoded<Ack> decode_ack(const Frame& frame, Version version) noexcept {
  if (frame.type == PacketType::pubrel && has_foreign_dup(frame, version)) return foreign_dup;
  std::string_view body = frame.body;
  if (body.size() < 2) return malformed("acknowledgement without a packet identifier");
  Ack ack;
  ack.packet_id = load_be<PacketId>(body.data());
  if (ack.packet_id == 0) return malformed("packet identifier 0 [MQTT-2.2.1-3]");
  body.remove_prefix(2);
  if (body.empty()) return ack;
  if (version != Version::v5) return malformed("acknowledgement longer than 2 bytes");

  ack.code = static_cast<ReasonCode>(body[0]);
  if (!may_carry(frame.type, ack.code)) {
    return protocol_error("reason code this acknowledgement cannot carry [MQTT-3.4.2-1]");
  }
  body.remove_prefix(1);
  if (body.empty()) return ack;  // the property length may be left out
  if (auto properties = decode_properties(body, property_set(frame.type)); !properties) {
    return properties.error();
  }
  if (!body.empty()) return malformed("bytes after the properties of an acknowledgement");
  return ack;
}

void encode_ack(std::string& out, Version version, PacketType type, Ack ack) {
  const bool with_code = version == Version::v5 && ack.code != ReasonCode::success;
  const char bytes[5] = {
      static_cast<char>(static_cast<unsigned>(type) << 4 | (type == PacketType::pubrel ? 2U : 0U)),
      static_cast<char>(with_code ? 3 : 2), static_cast<char>(ack.packet_id >> 8),
      static_cast<char>(ack.packet_id), static_cast<char>(ack.code)};
  out.append(bytes, with_code ? 5 : 4);
}

void encode_ack(std::string& out, Version version, PacketType type, Ack ack,
                const ProblemInformation& problem) {
  std::string block;
  if (version == Version::v5 && !problem.empty()) append_with_problem(block, {}, 3, problem);
  if (block.size() <= 1) return encode_ack(out, version, type, ack);
  append_fixed_header(out, type, type == PacketType::pubrel ? 2 : 0, 3 + block.size());
  Writer writer(out);
  writer.be(ack.packet_id);
  writer.u8(static_cast<std::uint8_t>(ack.code));
  writer.bytes(block);
}

}  // namespace rowgate::mqtt
