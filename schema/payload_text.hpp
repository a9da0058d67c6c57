#pragma once
// A payload as the gateway's own tables show it.
#include <string_view>

#include "schema/row_batch.hpp"

namespace rowgate::schema {

struct PayloadText {
  std::string_view text;  // the payload itself, or its hex digits in the arena
  bool hex = false;
};

/// The text; or, where the bytes are not UTF-8 or hold a NUL, their lower-case hex digits.
PayloadText payload_text(std::string_view payload, Arena& arena);

}  // namespace rowgate::schema
