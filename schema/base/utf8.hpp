#pragma once
#include <string_view>

namespace rowgate {

/// Well-formed UTF-8 (Unicode table 3-7): no overlong form, no surrogate, nothing above U+10FFFF.
/// U+0000 counts as well-formed; MQTT and PostgreSQL text exclude it, so their callers ask for it
/// with `has_nul`. Pure; any thread.
bool is_utf8(std::string_view bytes) noexcept;

inline bool has_nul(std::string_view bytes) noexcept {
  return bytes.find('\0') != std::string_view::npos;
}

}  // namespace rowgate
