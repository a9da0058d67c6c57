#pragma once
// The escapes of JSON strings (RFC 8259 section 7). Pure; any thread.
#include <cstddef>
#include <string_view>

namespace rowgate::schema {

struct EscapeCheck {
  std::string_view what;   // empty: all escapes are sound; static text
  std::size_t offset = 0;  // of the one that is not
  bool nul = false;        // one of them means U+0000
};

/// `raw` is what stands between the quotes. A surrogate without its other half is refused: it has
/// no UTF-8.
EscapeCheck check_escapes(std::string_view raw) noexcept;

}  // namespace rowgate::schema
