#pragma once
// JSON Web Tokens [RFC 7519] as passwords: RS256, ES256 and HS256, verified with the keys of a JWKS
// file [RFC 7517].
//
// A key's type says which algorithm it verifies (RSA: RS256, EC P-256: ES256, oct: HS256), and a
// token's header can only choose among keys of the algorithm it names. So `none` has no keys, and
// an RSA public key can never be taken for an HMAC secret. A token with `kid` is tried with the
// keys of that name, one without with all of its algorithm; that is how keys are rotated. `crit` is
// refused.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/security/file_error.hpp"
#include "schema/base/result.hpp"
#include "schema/base/time.hpp"

namespace rowgate::security {

inline constexpr std::size_t max_token_bytes = 8192;
inline constexpr std::int64_t not_before_leeway_seconds = 60;

struct Claims {
  std::string subject;             // `sub`: the user name
  std::vector<std::string> roles;  // `roles`, else `groups`: arrays of strings
  std::optional<Timestamp> expires;
};

/// Why a token is not taken: for the log. A string literal.
struct TokenError {
  const char* reason = "";
};

/// What a token must say; empty: not checked.
struct Expected {
  std::string audience;
  std::string issuer;
};

/// Three parts of base64url with dots between, the first of which is the beginning of a JSON
/// object.
bool looks_like_token(std::string_view text) noexcept;

class TokenKey;

/// Immutable; any thread.
class KeySet {
 public:
  /// `file` names it in messages. Keys for other uses or algorithms are passed over; a key that is
  /// broken or weak (RSA below 2048 bits, a secret below 32 bytes), or a set without any key that
  /// can be used, is an error. Throws FileError.
  static KeySet parse(std::string_view json, std::string_view file);
  static KeySet read(const std::string& file);

  ~KeySet();
  KeySet(KeySet&&) noexcept;
  KeySet& operator=(KeySet&&) noexcept;

  /// `exp` counts where present, `nbf` with 60 s leeway; `sub` must be there.
  Result<Claims, TokenError> verify(std::string_view token, const Expected& expected,
                                    Timestamp now) const;

  std::size_t size() const noexcept;
  /// Whether a key in it could also make tokens (HS256): the file is then a secret.
  bool has_secret() const noexcept;

 private:
  explicit KeySet(std::vector<TokenKey> keys);
  std::vector<TokenKey> keys_;
};

}  // namespace rowgate::security
