#pragma once
// What all packets are made of (section 1.5): text, binary data, Variable Byte Integers, and the
// fixed header on the way out. Inside gateway/mqtt only. Nothing here allocates but the growth of
// `out`. Pure; any thread.
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/bytes.hpp"
#include "schema/base/utf8.hpp"

namespace rowgate::mqtt {

constexpr Error malformed(const char* reason) noexcept {
  return {ReasonCode::malformed_packet, reason};
}
constexpr Error protocol_error(const char* reason) noexcept {
  return {ReasonCode::protocol_error, reason};
}

constexpr std::uint8_t dup_flag = 0x08;  // of the fixed header

/// The DUP bit outside PUBLISH, which only MQTT 3.1 has [MQTT-2.1.3-1].
constexpr bool has_foreign_dup(const Frame& frame, Version version) noexcept {
  return (frame.flags & dup_flag) != 0 && version != Version::v31;
}
constexpr Error foreign_dup = malformed("DUP set on a packet other than PUBLISH [MQTT-2.1.3-1]");

enum class TextClass : std::uint8_t { plain, has_wildcard, ill_formed };

/// One pass over text as MQTT allows it: well-formed UTF-8 without U+0000 [MQTT-1.5.4-1, -2], and
/// whether it holds + or #. ASCII goes eight bytes at a step.
TextClass classify_text(std::string_view text) noexcept;

inline bool is_text(std::string_view text) noexcept {
  return classify_text(text) != TextClass::ill_formed;
}

/// Two byte length, then that many bytes. A failed reader gives an empty view.
inline std::string_view read_binary(Reader& reader) noexcept {
  return reader.view(reader.be<std::uint16_t>());
}

/// Reads a Variable Byte Integer off the front of `bytes`. False: cut off, longer than four bytes,
/// or not in the fewest bytes [MQTT-1.5.5-1].
inline bool take_varint(std::string_view& bytes, std::uint32_t& value) noexcept {
  value = 0;
  for (std::size_t i = 0; i < 4 && i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    value |= std::uint32_t{byte & 0x7FU} << (7 * i);
    if ((byte & 0x80) == 0) {
      bytes.remove_prefix(i + 1);
      return i == 0 || byte != 0;
    }
  }
  return false;
}

/// Precondition: at most 65,535 bytes.
inline void append_binary(std::string& out, std::string_view bytes) {
  Writer writer(out);
  writer.be(static_cast<std::uint16_t>(bytes.size()));
  writer.bytes(bytes);
}

inline void append_fixed_header(std::string& out, PacketType type, unsigned flags,
                                std::size_t remaining) {
  out.push_back(static_cast<char>(static_cast<unsigned>(type) << 4 | flags));
  append_varint(out, static_cast<std::uint32_t>(remaining));
}

}  // namespace rowgate::mqtt
