#pragma once
// What somebody may want to know of a lane's commits beside the rows themselves.
#include <cstdint>
#include <functional>
#include <string_view>

#include "schema/message.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

/// The ledger's word for a message.
enum class Fate : std::uint8_t { stored, dead_letter, unmapped };

/// A message whose fate is committed. Views live as long as the call.
struct Settled {
  const schema::Message& message;
  Fate fate{};
  std::string_view reason;  // of a dead letter, the first mapping's; else empty
  std::string_view table;   // the first it has a row in; empty: none
};

/// Called on the lane's thread, after the commit; quick, and without exceptions. What is empty is
/// not called.
struct DrainObserver {
  /// Whether anybody wants to hear of a message with these properties; not asked where it has none.
  std::function<bool(std::string_view properties)> wants{};
  /// Once for each such message that is known to be committed, in the lane's order; a database that
  /// forgets commits makes no second call. A message whose commit was never answered is told once
  /// the checkpoint has shown that it was made; one whose gateway died in between is not told.
  std::function<void(const Settled&)> settled{};
  /// Every publish of the lane below `to` is committed; `to` only grows. It may be ahead of the
  /// checkpoint in the sink, which an idle lane moves seldom.
  std::function<void(Lane lane, Position to)> committed{};
  /// The Sparkplug B edge node ("GROUP/EDGE") must send its births again: something of it is
  /// missing, or cannot be read without them. After the commit of what showed it; as often as that
  /// happens.
  std::function<void(std::string_view node)> rebirth{};
};

}  // namespace rowgate::storage
