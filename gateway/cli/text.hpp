#pragma once
// Bytes of unknown origin made safe to print: a topic or payload may hold anything, and a terminal,
// a log line or a JSON reader must not be led astray by it. Pure; any thread.
#include <string>
#include <string_view>

namespace rowgate::cli {

/// Appends a JSON string with its quotation marks [RFC 8259, 7]. Each byte that is not part of
/// well-formed UTF-8 becomes U+FFFD.
void append_json(std::string& out, std::string_view text);

/// Appends the text for one line of a terminal: control characters as \n, \t, \x1b, and a byte that
/// is not part of well-formed UTF-8 as \xNN.
void append_printable(std::string& out, std::string_view text);

/// Columns the text takes on a terminal, one a code point (good enough for alignment).
std::size_t width(std::string_view utf8) noexcept;

}  // namespace rowgate::cli
