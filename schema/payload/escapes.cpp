#include "schema/payload/escapes.hpp"

#include <cstdint>
#include <cstring>

#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {
namespace {

// The four hex digits at `at`; above 0xFFFF if they are not there.
std::uint32_t hex4(std::string_view raw, std::size_t at) noexcept {
  constexpr std::uint32_t none = 0x10000;
  if (raw.size() < at + 4) return none;
  std::uint32_t v = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = raw[i];
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return none;
    }
    v = v << 4 | digit;
  }
  return v;
}

bool is_high(std::uint32_t unit) noexcept {
  return unit >= 0xD800 && unit <= 0xDBFF;
}
bool is_low(std::uint32_t unit) noexcept {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

char simple(char c) noexcept {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

char* put_utf8(std::uint32_t c, char* out) noexcept {
  const auto byte = [](std::uint32_t v) {
    return static_cast<char>(static_cast<unsigned char>(v));
  };
  if (c < 0x80) {
    *out++ = byte(c);
  } else if (c < 0x800) {
    *out++ = byte(0xC0 | c >> 6);
    *out++ = byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *out++ = byte(0xE0 | c >> 12);
    *out++ = byte(0x80 | (c >> 6 & 0x3F));
    *out++ = byte(0x80 | (c & 0x3F));
  } else {
    *out++ = byte(0xF0 | c >> 18);
    *out++ = byte(0x80 | (c >> 12 & 0x3F));
    *out++ = byte(0x80 | (c >> 6 & 0x3F));
    *out++ = byte(0x80 | (c & 0x3F));
  }
  return out;
}

}  // namespace

EscapeCheck check_escapes(std::string_view raw) noexcept {
  EscapeCheck result;
  for (std::size_t at = raw.find('\\'); at != std::string_view::npos; at = raw.find('\\', at)) {
    result.offset = at;
    const char kind = at + 1 < raw.size() ? raw[at + 1] : '\0';
    if (kind != 'u') {
      if (simple(kind) == '\0') {
        result.what = "a string holds an escape JSON does not know";
        return result;
      }
      at += 2;
      continue;
    }
    const std::uint32_t unit = hex4(raw, at + 2);
    if (unit > 0xFFFF) {
      result.what = "\\u is not followed by four hex digits";
      return result;
    }
    result.nul = result.nul || unit == 0;
    at += 6;
    const bool pair =
        is_high(unit) && raw.substr(at).starts_with("\\u") && is_low(hex4(raw, at + 2));
    if (is_low(unit) || (is_high(unit) && !pair)) {
      result.what = "a string holds half of a surrogate pair";
      return result;
    }
    if (pair) at += 6;
  }
  return result;
}

std::size_t unescape(std::string_view raw, char* out) noexcept {
  char* const begin = out;
  while (true) {
    const std::size_t plain = std::min(raw.find('\\'), raw.size());
    if (plain > 0) std::memcpy(out, raw.data(), plain);
    out += plain;
    raw.remove_prefix(plain);
    if (raw.empty()) return static_cast<std::size_t>(out - begin);
    if (raw[1] != 'u') {
      *out++ = simple(raw[1]);
      raw.remove_prefix(2);
      continue;
    }
    std::uint32_t c = hex4(raw, 2);
    raw.remove_prefix(6);
    if (is_high(c)) {
      c = 0x10000 + ((c - 0xD800) << 10) + (hex4(raw, 2) - 0xDC00);
      raw.remove_prefix(6);
    }
    out = put_utf8(c, out);
  }
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

}  // namespace rowgate::schema
