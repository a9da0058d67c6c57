#include "schema/message.hpp"

#include "schema/base/bytes.hpp"

namespace rowgate::schema {
namespace {

// Skips one property of a PUBLISH [MQTT5 3.3.2.3] that is not a user property. False: unknown id.
bool skip_property(std::uint8_t id, Reader& in) noexcept {
  switch (id) {
    case 0x01:
      in.view(1);
      return true;  // payload format indicator
    case 0x02:
      in.view(4);
      return true;  // message expiry interval
    case 0x03:      // content type
    case 0x08:      // response topic
    case 0x09:
      in.view(in.be<std::uint16_t>());
      return true;  // correlation data
    case 0x0B:      // subscription identifier
      for (int i = 0; i < 4 && (in.u8() & 0x80) != 0; ++i) {
      }
      return true;
    case 0x23:
      in.view(2);
      return true;  // topic alias
    default:
      return false;
  }
}

}  // namespace

std::optional<std::string_view> user_property(std::string_view properties,
                                              std::string_view name) noexcept {
  constexpr std::uint8_t user_property_id = 0x26;
  Reader in(properties);
  while (in.remaining() > 0) {
    const std::uint8_t id = in.u8();
    if (id != user_property_id) {
      if (!skip_property(id, in) || in.failed()) return std::nullopt;
      continue;
    }
    const std::string_view key = in.view(in.be<std::uint16_t>());
    const std::string_view value = in.view(in.be<std::uint16_t>());
    if (in.failed()) return std::nullopt;
    if (key == name) return value;
  }
  return std::nullopt;
}

}  // namespace rowgate::schema
