#pragma once
// The fixed header (section 2.1): cuts a byte stream into control packets.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

/// One control packet: a view into the buffer it was cut from.
struct Frame {
  PacketType type{};
  std::uint8_t flags = 0;  // low four bits of the first byte
  std::string_view body;   // after the Remaining Length
  std::size_t size = 0;    // whole packet, fixed header included
};

/// What next_frame found. need_more: `wanted` bytes in all would complete the packet (at least one
/// more than there are; exact once the Remaining Length is complete).
struct FrameResult {
  enum class Status : std::uint8_t { frame, need_more, error } status = Status::need_more;
  Frame frame;
  std::size_t wanted = 0;
  Error error;
};

/// Checks the packet type, its reserved flags [MQTT-2.1.3-1] and that the whole packet is at most
/// `max_packet` bytes (packet_too_large), before the body has arrived. Lets pass the DUP bit that
/// MQTT 3.1 has on PUBREL, SUBSCRIBE and UNSUBSCRIBE too: their decoders know the version. Never
/// reads beyond `bytes`.
FrameResult next_frame(std::string_view bytes, std::size_t max_packet) noexcept;

/// Appends a Variable Byte Integer (section 1.5.5). Precondition: v <= 268,435,455.
void append_varint(std::string& out, std::uint32_t v);
constexpr std::size_t varint_size(std::uint32_t v) noexcept {
  return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4;
}

}  // namespace rowgate::mqtt
