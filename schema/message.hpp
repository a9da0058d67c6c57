#pragma once
// A published message as the mapping sees it: views into the journal batch it is read from.
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/base/time.hpp"

namespace rowgate::schema {

struct Message {
  std::string_view topic;
  std::string_view client_id;
  std::string_view payload;
  std::string_view properties;  // the PUBLISH properties as on the wire, without their length
  Timestamp received_at;
  std::uint64_t position = 0;  // in the journal; names the message in dead letters
  std::uint8_t qos = 0;
  bool retain = false;
};

/// The value of the first user property with this name, from a Message's `properties`
/// (well formed, as the codec checked on arrival) [MQTT-3.3.2.3.7]. nullopt: there is none.
std::optional<std::string_view> user_property(std::string_view properties,
                                              std::string_view name) noexcept;

/// The same, where upper and lower case of ASCII letters are one.
std::optional<std::string_view> user_property_ignoring_case(std::string_view properties,
                                                            std::string_view name) noexcept;

/// The content type, from a Message's `properties` (MQTT 5 section 3.3.2.3.9). nullopt: there is
/// none.
std::optional<std::string_view> content_type(std::string_view properties) noexcept;

/// All user properties, name and value, in their order.
std::vector<std::pair<std::string_view, std::string_view>> user_properties(
    std::string_view properties);

}  // namespace rowgate::schema
