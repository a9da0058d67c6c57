#pragma once
// One property after another, without a copy: what decode_properties and decode_publish share.
// Inside gateway/mqtt only. Pure; any thread; no allocation.
#include <cstdint>
#include <string_view>

#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/types.hpp"

namespace rowgate::mqtt {

/// A property as it stands in a block: a number, or bytes, or (user property) a pair of texts.
struct RawProperty {
  PropertyId id{};
  std::uint32_t number = 0;
  std::string_view bytes;  // text or binary; the name of a user property
  std::string_view value;  // of a user property
};

/// Takes the first property off `block`; checks its shape only. nullptr: taken. Otherwise the
/// reason why the block is malformed there.
const char* take_property(std::string_view& block, RawProperty& property) noexcept;

/// Walks a block and checks everything section 2.2.2.2 asks for: that each property may stand in
/// this packet, stands once, holds text where it is text, and is in range.
class PropertyWalk {
 public:
  PropertyWalk(std::string_view block, PropertySet set) noexcept : block_(block), set_(set) {}

  /// False at the end of the block and at an error.
  bool next(RawProperty& property) noexcept;
  bool failed() const noexcept { return error_.code != ReasonCode::success; }
  Error error() const noexcept { return error_; }

 private:
  Error check(const RawProperty& property) noexcept;

  std::string_view block_;
  std::uint64_t seen_ = 0;  // bit n: identifier n has been seen
  Error error_{ReasonCode::success, ""};
  PropertySet set_;
};

}  // namespace rowgate::mqtt
