#pragma once
// One public key or secret that verifies tokens, over OpenSSL 3. Inside gateway/security only.
// Immutable after it is made; any thread.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "schema/base/result.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace rowgate::security {

/// RS256, ES256 and HS256 of RFC 7518.
enum class Algorithm : std::uint8_t { rs256, es256, hs256 };

class TokenKey {
 public:
  /// A key, or what is wrong with it.
  using Made = Result<TokenKey, std::string>;

  /// Big-endian integers. 2048 to 8192 bits.
  static Made rsa(std::string_view modulus, std::string_view exponent);
  /// The coordinates of a point on P-256, 32 bytes each.
  static Made p256(std::string_view x, std::string_view y);
  /// 32 bytes at least [RFC 7518 3.2].
  static Made secret(std::string_view bytes);

  Algorithm algorithm() const noexcept { return algorithm_; }
  const std::string& name() const noexcept { return name_; }  // `kid`; empty: none
  void set_name(std::string_view name) { name_ = name; }

  /// Whether `signature` is this key's signature of `text`.
  bool verify(std::string_view text, std::string_view signature) const;

 private:
  TokenKey(Algorithm algorithm, std::shared_ptr<evp_pkey_st> key, std::string secret);

  Algorithm algorithm_;
  std::string name_;
  std::shared_ptr<evp_pkey_st> key_;  // RSA, P-256
  std::string secret_;                // HS256
};

}  // namespace rowgate::security
