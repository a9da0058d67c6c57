#include "gateway/security/jwt.hpp"

#include <simdjson.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "gateway/security/base64url.hpp"
#include "gateway/security/text.hpp"
#include "gateway/security/token_key.hpp"

namespace rowgate::security {
namespace {

using Object = simdjson::dom::object;
using simdjson::SUCCESS;

/// header.claims.signature, still encoded.
std::optional<std::array<std::string_view, 3>> parts_of(std::string_view token) noexcept {
  const auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return std::array{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1)};
}

/// `json` stays with the parser for as long as the object is used.
std::optional<Object> parse_object(simdjson::dom::parser& parser, std::string_view encoded) {
  const auto json = decode_base64url(encoded);
  Object object;
  if (!json || parser.parse(*json).get(object) != SUCCESS) return std::nullopt;
  return object;
}

enum class Presence : std::uint8_t { absent, present, wrong };

Presence read_text(const Object& object, const char* key, std::string& to) {
  simdjson::dom::element element;
  if (object[key].get(element) != SUCCESS) return Presence::absent;
  std::string_view text;
  if (element.get(text) != SUCCESS) return Presence::wrong;
  to = text;
  return Presence::present;
}

/// Seconds since 1970, which may have a fraction.
Presence read_time(const Object& object, const char* key, Timestamp& to) {
  simdjson::dom::element element;
  if (object[key].get(element) != SUCCESS) return Presence::absent;
  double seconds = 0;
  if (element.get(seconds) != SUCCESS || !std::isfinite(seconds)) return Presence::wrong;
  constexpr double most = 253402300799.0;  // max_timestamp; a token may well say "never" like that
  to.micros = std::llround(std::clamp(seconds, -most, most) * 1e6);
  return Presence::present;
}

Presence read_texts(const Object& object, const char* key, std::vector<std::string>& to) {
  simdjson::dom::element element;
  if (object[key].get(element) != SUCCESS) return Presence::absent;
  simdjson::dom::array array;
  if (element.get(array) != SUCCESS) return Presence::wrong;
  for (const simdjson::dom::element item : array) {
    std::string_view text;
    if (item.get(text) != SUCCESS) return Presence::wrong;
    to.emplace_back(text);
  }
  return Presence::present;
}

bool names_audience(const Object& claims, const std::string& audience) {
  std::string one;
  if (read_text(claims, "aud", one) == Presence::present) return one == audience;
  std::vector<std::string> many;
  return read_texts(claims, "aud", many) == Presence::present &&
         std::find(many.begin(), many.end(), audience) != many.end();
}

/// What of the header chooses the keys.
struct Choice {
  Algorithm algorithm{};
  std::string name;
  bool named = false;
};

Result<Choice, TokenError> read_header(std::string_view encoded) {
  simdjson::dom::parser parser;
  const auto header = parse_object(parser, encoded);
  if (!header) return TokenError{"the token's header is no JSON object"};
  Choice choice;
  std::string algorithm;
  if (read_text(*header, "alg", algorithm) != Presence::present)
    return TokenError{"the token names no alg"};
  if (algorithm == "RS256") {
    choice.algorithm = Algorithm::rs256;
  } else if (algorithm == "ES256") {
    choice.algorithm = Algorithm::es256;
  } else if (algorithm == "HS256") {
    choice.algorithm = Algorithm::hs256;
  } else {
    return TokenError{"the token's alg is none of RS256, ES256 and HS256"};
  }
  if (header->at_key("crit").error() == SUCCESS)
    return TokenError{"the token has crit, which is not known"};
  const Presence name = read_text(*header, "kid", choice.name);
  if (name == Presence::wrong) return TokenError{"the token's kid is no text"};
  choice.named = name == Presence::present;
  return choice;
}

Result<Claims, TokenError> read_claims(const Object& object, const Expected& expected,
                                       Timestamp now) {
  Claims claims;
  Timestamp time;
  const Presence expiry = read_time(object, "exp", time);
  if (expiry == Presence::wrong) return TokenError{"the token's exp is no time"};
  if (expiry == Presence::present) {
    if (now >= time) return TokenError{"the token has expired"};
    claims.expires = time;
  }
  const Presence from = read_time(object, "nbf", time);
  if (from == Presence::wrong) return TokenError{"the token's nbf is no time"};
  if (from == Presence::present &&
      now.micros < time.micros - not_before_leeway_seconds * 1'000'000) {
    return TokenError{"the token is not valid yet"};
  }
  if (std::string issuer;
      !expected.issuer.empty() &&
      (read_text(object, "iss", issuer) != Presence::present || issuer != expected.issuer)) {
    return TokenError{"the token is of another issuer"};
  }
  if (!expected.audience.empty() && !names_audience(object, expected.audience)) {
    return TokenError{"the token is for another audience"};
  }
  if (read_text(object, "sub", claims.subject) != Presence::present || claims.subject.empty()) {
    return TokenError{"the token names no sub"};
  }
  if (has_control(claims.subject)) {
    return TokenError{"the token's sub has a control character"};
  }
  Presence roles = read_texts(object, "roles", claims.roles);
  if (roles == Presence::absent) roles = read_texts(object, "groups", claims.roles);
  if (roles == Presence::wrong)
    return TokenError{"the token's roles or groups are no array of texts"};
  return claims;
}

}  // namespace

bool looks_like_token(std::string_view text) noexcept {
  const auto is_base64url = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
  };
  const auto parts = parts_of(text);
  // A byte '{' is an 'e' and two more bits, which are both set.
  constexpr std::string_view second = "wxyz0123456789-_";
  return parts && (*parts)[0].size() > 1 && (*parts)[0][0] == 'e' &&
         second.find((*parts)[0][1]) != std::string_view::npos &&
         std::all_of(parts->begin(), parts->end(), is_base64url);
}

KeySet::KeySet(std::vector<TokenKey> keys) : keys_(std::move(keys)) {}
KeySet::~KeySet() = default;
KeySet::KeySet(KeySet&&) noexcept = default;
KeySet& KeySet::operator=(KeySet&&) noexcept = default;

std::size_t KeySet::size() const noexcept {
  return keys_.size();
}

bool KeySet::has_secret() const noexcept {
  return std::any_of(keys_.begin(), keys_.end(),
                     [](const TokenKey& key) { return key.algorithm() == Algorithm::hs256; });
}

Result<Claims, TokenError> KeySet::verify(std::string_view token, const Expected& expected,
                                          Timestamp now) const {
  if (token.size() > max_token_bytes) return TokenError{"the token is longer than 8 KiB"};
  const auto parts = parts_of(token);
  if (!parts) return TokenError{"the token has not three parts"};
  const auto choice = read_header((*parts)[0]);
  if (!choice) return choice.error();
  const auto signature = decode_base64url((*parts)[2]);
  if (!signature) return TokenError{"the token's signature is not base64url"};
  const std::string_view signed_text = token.substr(0, (*parts)[0].size() + 1 + (*parts)[1].size());
  bool tried = false;
  const bool valid = std::any_of(keys_.begin(), keys_.end(), [&](const TokenKey& key) {
    if (key.algorithm() != choice->algorithm) return false;
    if (choice->named && key.name() != choice->name) return false;
    tried = true;
    return key.verify(signed_text, *signature);
  });
  if (!tried) return TokenError{"the key set has no such key"};
  if (!valid) return TokenError{"the token's signature is wrong"};
  // Only now: what is not signed is not read.
  simdjson::dom::parser parser;
  const auto claims = parse_object(parser, (*parts)[1]);
  if (!claims) return TokenError{"the token's claims are no JSON object"};
  return read_claims(*claims, expected, now);
}

}  // namespace rowgate::security
