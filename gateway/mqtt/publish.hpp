#pragma once
// PUBLISH (section 3.3).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

/// Views into the frame. This is the hot path's type: only what every publish needs is decoded.
struct PublishView {
  std::string_view topic;  // empty only where a topic alias stands in for it (5.0)
  std::string_view payload;
  std::string_view properties;    // 5.0: the checked property block, without its length
  PacketId packet_id = 0;         // 0 at QoS 0
  std::uint16_t topic_alias = 0;  // 0: none
  QoS qos{};
  bool retain = false;
  bool dup = false;
};

/// Checks flags (QoS 3 [MQTT-3.3.1-4], DUP at QoS 0 [MQTT-3.3.1-2], which 3.1 disregards), topic
/// name (well-formed UTF-8, no NUL, no wildcard [MQTT-3.3.2-2], not empty unless an alias is
/// given), packet id not 0, and properties (a subscription identifier from a client is a protocol
/// error [MQTT-3.3.4-6]; alias 0 is topic_alias_invalid [MQTT-3.3.2-8]; payload format indicator 0
/// or 1). Does not allocate.
Decoded<PublishView> decode_publish(const Frame& frame, Version version) noexcept;

/// payload_is_as_indicated() of properties.hpp; costs nothing where there are no properties.
inline bool payload_is_as_indicated(const PublishView& publish) noexcept {
  return publish.properties.empty() || payload_is_as_indicated(publish.properties, publish.payload);
}

/// What a server sends. `properties` is the finished block without its length and without the topic
/// alias (5.0 only). With an alias the topic may be empty: it is then the one last sent under that
/// alias on this connection (section 3.3.2.3.4).
struct OutgoingPublish {
  std::string_view topic{};
  std::string_view payload{};
  std::string_view properties{};
  PacketId packet_id = 0;
  QoS qos{};
  bool retain = false;
  bool dup = false;
  std::uint16_t topic_alias = 0;  // 0: none; 5.0 only
};
void encode_publish(std::string& out, Version version, const OutgoingPublish& publish);
/// The size encode_publish would append: compare with the client's Maximum Packet Size.
std::size_t publish_size(Version version, const OutgoingPublish& publish) noexcept;

/// [MQTT-4.7.3-1] and [MQTT-3.3.2-2]: at least one character, well-formed, no NUL, no + or #.
bool is_topic_name(std::string_view topic) noexcept;
/// [MQTT-4.7.1-1, -2]: wildcards stand alone in their level, # last. Takes `$share/...` for a plain
/// filter; whoever offers shared subscriptions asks shared_filter() first.
bool is_topic_filter(std::string_view filter) noexcept;

/// A shared subscription: `$share/{group}/{filter}`, section 4.8.2.
struct SharedFilter {
  std::string_view group;
  std::string_view filter;
};
/// What begins a shared subscription's filter: such a one is invalid where shared_filter() is
/// nullopt.
inline constexpr std::string_view share_prefix = "$share/";
/// nullopt: not a valid one; the group has at least one character and none of / + #, and a valid
/// topic filter follows [MQTT-4.8.2-1, -2].
std::optional<SharedFilter> shared_filter(std::string_view filter) noexcept;

}  // namespace rowgate::mqtt
