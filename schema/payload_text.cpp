#include "schema/payload_text.hpp"

#include "schema/base/utf8.hpp"

namespace rowgate::schema {

PayloadText payload_text(std::string_view payload, Arena& arena) {
  if (is_utf8(payload) && !has_nul(payload)) return {payload, false};
  constexpr std::string_view digits = "0123456789abcdef";
  char* const hex = arena.allocate(payload.size() * 2);
  char* out = hex;
  for (const char c : payload) {
    const auto byte = static_cast<unsigned char>(c);
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15U];
  }
  return {{hex, payload.size() * 2}, true};
}

}  // namespace rowgate::schema
