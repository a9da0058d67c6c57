#pragma once
// Inside gateway/security only.
#include <algorithm>
#include <string_view>

namespace rowgate::security {

/// Names with control characters are refused: they could forge lines of logs and files.
inline bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

}  // namespace rowgate::security
