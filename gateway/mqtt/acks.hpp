#pragma once
// PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7): one shape.
#include <string>

#include "gateway/mqtt/frame.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

struct Ack {
  PacketId packet_id = 0;
  ReasonCode code = ReasonCode::success;
};

/// Packet id 0 is a malformed packet; in 5.0 the reason code must be one the packet may carry.
Decoded<Ack> decode_ack(const Frame& frame, Version version) noexcept;
/// 4 bytes, or 5 with a 5.0 reason code other than success (3.1 and 3.1.1 have nowhere to put it).
/// `type` is one of the four. Does not allocate when `out` has room.
void encode_ack(std::string& out, Version version, PacketType type, Ack ack);
/// With what there is to say about it, in 5.0.
void encode_ack(std::string& out, Version version, PacketType type, Ack ack,
                const ProblemInformation& problem);

}  // namespace rowgate::mqtt
