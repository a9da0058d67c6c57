#include "schema/message.hpp"

#include <algorithm>

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

/// Calls take(name, value) for each user property, until it returns true.
template <class Take>
void walk_user_properties(std::string_view properties, const Take& take) {
  constexpr std::uint8_t user_property_id = 0x26;
  Reader in(properties);
  while (in.remaining() > 0) {
    const std::uint8_t id = in.u8();
    if (id != user_property_id) {
      if (!skip_property(id, in) || in.failed()) return;
      continue;
    }
    const std::string_view name = in.view(in.be<std::uint16_t>());
    const std::string_view value = in.view(in.be<std::uint16_t>());
    if (in.failed() || take(name, value)) return;
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<std::string_view> content_type(std::string_view properties) noexcept {
  constexpr std::uint8_t content_type_id = 0x03, user_property_id = 0x26;
  Reader in(properties);
  while (in.remaining() > 0) {
    const std::uint8_t id = in.u8();
    if (id == content_type_id) {
      const std::string_view value = in.view(in.be<std::uint16_t>());
      return in.failed() ? std::nullopt : std::optional(value);
    }
    if (id == user_property_id) {
      in.view(in.be<std::uint16_t>());
      in.view(in.be<std::uint16_t>());
    } else if (!skip_property(id, in)) {
      break;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> user_property_ignoring_case(std::string_view properties,
                                                            std::string_view name) noexcept {
  std::optional<std::string_view> found;
  walk_user_properties(properties, [&](std::string_view key, std::string_view value) {
    if (equal_ignoring_case(key, name)) found = value;
    return found.has_value();
  });
  return found;
}

std::optional<std::string_view> user_property(std::string_view properties,
                                              std::string_view name) noexcept {
  std::optional<std::string_view> found;
  walk_user_properties(properties, [&](std::string_view key, std::string_view value) {
    if (key == name) found = value;
    return key == name;
  });
  return found;
}

std::vector<std::pair<std::string_view, std::string_view>> user_properties(
    std::string_view properties) {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  walk_user_properties(properties, [&](std::string_view name, std::string_view value) {
    all.emplace_back(name, value);
    return false;
  });
  return all;
}

}  // namespace rowgate::schema
