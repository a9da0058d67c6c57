#pragma once
// Base64 for URLs and without padding [RFC 4648 5], as JSON Web Tokens write it. Pure; any thread.
#include <optional>
#include <string>
#include <string_view>

namespace rowgate::security {

/// nullopt: a character that is none, a length that cannot be, or bits left over that are not zero,
/// so that each text of bytes has one form only.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace rowgate::security
