#pragma once
// The bytes of a flood.
#include <cstdint>
#include <string>

namespace rowgate::flood {

/// MQTT 3.1.1, clean session, no keep alive.
std::string connect_packet(const std::string& client_id);
/// SUBSCRIBE to `#`.
std::string subscribe_to_everything(std::uint8_t qos);
/// What breaks the protocol, the `n`th of many: with a CONNECT before it, where it needs one.
std::string bad_packet(std::uint32_t n, const std::string& client_id);
/// The fixed header of a PUBLISH or a CONNECT of 268,435,455 bytes.
std::string giant_head(bool publish);

}  // namespace rowgate::flood
