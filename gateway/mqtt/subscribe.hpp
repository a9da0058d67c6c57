#pragma once
// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (sections 3.8 to 3.11).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

/// Subscription Options, section 3.8.3.1. 3.1.1 has the QoS only.
struct SubscriptionRequest {
  std::string_view filter;
  QoS qos{};
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;  // 0, 1, 2
};

struct SubscribeView {
  PacketId packet_id = 0;
  std::optional<std::uint32_t> subscription_identifier;  // 1 .. 268,435,455
  std::vector<SubscriptionRequest> requests;             // at least one [MQTT-3.8.3-2]
};
struct UnsubscribeView {
  PacketId packet_id = 0;
  std::vector<std::string_view> filters;  // at least one [MQTT-3.10.3-2]
};

/// Filters are UTF-8 without NUL (else malformed), and well-formed (section 4.7.1; in 5.0 those of
/// shared subscriptions, too, section 4.8.2; else topic_filter_invalid). Reserved bits set:
/// malformed. QoS 3, retain handling 3, no filter at all, No Local on a shared subscription
/// [MQTT-3.8.3-4]: protocol error.
Decoded<SubscribeView> decode_subscribe(const Frame& frame, Version version);
Decoded<UnsubscribeView> decode_unsubscribe(const Frame& frame, Version version);

/// 3.1 and 3.1.1: codes >= 0x80 become 0x80 (3.1 has no word for a failure: no granted QoS is
/// 0x80), and `problem` has no place.
void encode_suback(std::string& out, Version version, PacketId id,
                   std::span<const ReasonCode> codes, const ProblemInformation& problem = {});
/// 3.1 and 3.1.1: no codes.
void encode_unsuback(std::string& out, Version version, PacketId id,
                     std::span<const ReasonCode> codes, const ProblemInformation& problem = {});

}  // namespace rowgate::mqtt
