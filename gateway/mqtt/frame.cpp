#include "gateway/mqtt/frame.hpp"

#include <array>

#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

// Flags each type must carry (table 2-2); any: PUBLISH, whose flags mean something.
constexpr std::uint8_t any = 0xFF;
constexpr std::uint8_t no_such_type = 0xFE;
constexpr std::array<std::uint8_t, 16> required_flags = {
    no_such_type, 0, 0, any, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0};

FrameResult need(std::size_t wanted) noexcept {
  FrameResult result;
  result.wanted = wanted;
  return result;
}

FrameResult refuse(Error error) noexcept {
  FrameResult result;
  result.status = FrameResult::Status::error;
  result.error = error;
  return result;
}

// MQTT 3.1 marks these as re-sent with the DUP bit.
constexpr bool may_be_resent(unsigned type) noexcept {
  return type == static_cast<unsigned>(PacketType::pubrel) ||
         type == static_cast<unsigned>(PacketType::subscribe) ||
         type == static_cast<unsigned>(PacketType::unsubscribe);
}

}  // namespace

FrameResult next_frame(std::string_view bytes, std::size_t max_packet) noexcept {
  if (bytes.empty()) return need(2);
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  const std::uint8_t flags = first & 0x0F;
  const std::uint8_t required = required_flags[first >> 4];
  if (required != flags && required != any &&
      !(flags == (required | dup_flag) && may_be_resent(first >> 4U))) {
    return refuse(required == no_such_type
                      ? malformed("packet type 0 is reserved (section 2.1.2)")
                      : malformed("reserved flags of the fixed header are wrong [MQTT-2.1.3-1]"));
  }

  // A Remaining Length in more bytes than it needs is let through: 3.1.1 does not forbid it.
  std::size_t remaining = 0;
  std::size_t header = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28)
      return refuse(malformed("Remaining Length is longer than 4 bytes [MQTT-1.5.5-1]"));
    if (header == bytes.size()) return need(header + 1);
    const auto byte = static_cast<std::uint8_t>(bytes[header++]);
    remaining |= static_cast<std::size_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80) == 0) break;
  }

  const std::size_t size = header + remaining;
  if (size > max_packet) {
    return refuse(
        {ReasonCode::packet_too_large, "packet is larger than the limit [MQTT-3.1.2-24]"});
  }
  if (size > bytes.size()) return need(size);

  FrameResult result;
  result.status = FrameResult::Status::frame;
  result.frame.type = static_cast<PacketType>(first >> 4);
  result.frame.flags = flags;
  result.frame.body = std::string_view(bytes.data() + header, remaining);
  result.frame.size = size;
  return result;
}

void append_varint(std::string& out, std::uint32_t v) {
  while (v >= 128) {
    out.push_back(static_cast<char>(v | 0x80U));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}

}  // namespace rowgate::mqtt
