#include "gateway/cli/text.hpp"

#include <fmt/format.h>

#include <iterator>

#include "schema/base/utf8.hpp"

namespace rowgate::cli {
namespace {

/// Length of the well-formed UTF-8 sequence at the start; 0: there is none.
std::size_t sequence(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return size <= text.size() && is_utf8(text.substr(0, size)) ? size : 0;
}

/// U+0000 to U+001F, U+007F, and the C1 controls U+0080 to U+009F (0x9B starts a terminal command).
bool is_control(std::string_view character) noexcept {
  const auto lead = static_cast<unsigned char>(character[0]);
  return lead < 0x20 || lead == 0x7F ||
         (lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

/// Calls piece(character, valid) for each code point, or byte that is none.
template <class Piece>
void walk(std::string_view text, Piece piece) {
  while (!text.empty()) {
    const std::size_t size = sequence(text);
    piece(text.substr(0, size == 0 ? 1 : size), size != 0);
    text.remove_prefix(size == 0 ? 1 : size);
  }
}

unsigned byte(std::string_view character, std::size_t i) {
  return static_cast<unsigned char>(character[i]);
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
  out += '"';
  walk(text, [&](std::string_view character, bool valid) {
    if (!valid) {
      out += "\uFFFD";
    } else if (character == "\"" || character == "\\") {
      out += '\\';
      out += character;
    } else if (character == "\n") {
      out += "\\n";
    } else if (character == "\t") {
      out += "\\t";
    } else if (is_control(character)) {
      const unsigned code = byte(character, character.size() - 1);
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    } else {
      out += character;
    }
  });
  out += '"';
}

void append_printable(std::string& out, std::string_view text) {
  walk(text, [&](std::string_view character, bool valid) {
    if (character == "\n") {
      out += "\\n";
    } else if (character == "\t") {
      out += "\\t";
    } else if (character == "\r") {
      out += "\\r";
    } else if (!valid || is_control(character)) {
      for (std::size_t i = 0; i < character.size(); ++i) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte(character, i));
      }
    } else {
      out += character;
    }
  });
}

std::size_t width(std::string_view utf8) noexcept {
  std::size_t columns = 0;
  for (const char c : utf8) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++columns;
  }
  return columns;
}

}  // namespace rowgate::cli
