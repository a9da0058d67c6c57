#pragma once
// Signs tokens as an identity provider would, with keys made for the run.
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

namespace rowgate::security {

inline std::string base64url(std::string_view bytes) {
  static constexpr char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xFFFFU;
    for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 63U];
  }
  if (count > 0) out += alphabet[bits << (6 - count) & 63U];
  return out;
}

class TokenMaker {
 public:
  static const TokenMaker& instance() {
    static const TokenMaker maker;
    return maker;
  }

  /// A JWK with public parameters; `more` are further members.
  std::string rsa_jwk(const std::string& more = R"("kid":"rsa")") const {
    return R"({"kty":"RSA","n":")" + base64url(modulus()) + R"(","e":"AQAB",)" + more + "}";
  }
  std::string ec_jwk(const std::string& more = R"("kid":"ec")") const {
    const std::string point = octets(ec_, OSSL_PKEY_PARAM_PUB_KEY);
    return R"({"kty":"EC","crv":"P-256","x":")" + base64url(point.substr(1, 32)) + R"(","y":")" +
           base64url(point.substr(33)) + R"(",)" + more + "}";
  }
  std::string oct_jwk(const std::string& more = R"("kid":"oct")") const {
    return R"({"kty":"oct","k":")" + base64url(secret_) + R"(",)" + more + "}";
  }
  std::string modulus() const {
    BIGNUM* n = nullptr;
    EVP_PKEY_get_bn_param(rsa_.get(), OSSL_PKEY_PARAM_RSA_N, &n);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(n)), '\0');
    BN_bn2bin(n, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(n);
    return bytes;
  }

  std::string rs256(const std::string& claims, std::string header = "") const {
    if (header.empty()) header = R"({"alg":"RS256","kid":"rsa"})";
    const std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(sign(rsa_.get(), text));
  }
  std::string es256(const std::string& claims, std::string header = "") const {
    if (header.empty()) header = R"({"alg":"ES256","kid":"ec"})";
    const std::string text = base64url(header) + "." + base64url(claims);
    const std::string der = sign(ec_.get(), text);
    const auto* p = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* both = d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size()));
    std::string raw(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(both), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both), out + 32, 32);
    ECDSA_SIG_free(both);
    return text + "." + base64url(raw);
  }
  std::string hs256(const std::string& claims, std::string header = "") const {
    return hs256_with(secret_, claims, std::move(header));
  }
  static std::string hs256_with(const std::string& secret, const std::string& claims,
                                std::string header = "") {
    if (header.empty()) header = R"({"alg":"HS256","kid":"oct"})";
    const std::string text = base64url(header) + "." + base64url(claims);
    unsigned char mac[32];
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, nullptr);
    return text + "." + base64url({reinterpret_cast<char*>(mac), sizeof mac});
  }

 private:
  using Key = std::shared_ptr<EVP_PKEY>;
  TokenMaker() : rsa_(EVP_RSA_gen(2048), EVP_PKEY_free), ec_(EVP_EC_gen("P-256"), EVP_PKEY_free) {}

  static std::string octets(const Key& key, const char* name) {
    std::string bytes(256, '\0');
    std::size_t size = 0;
    EVP_PKEY_get_octet_string_param(key.get(), name, reinterpret_cast<unsigned char*>(bytes.data()),
                                    bytes.size(), &size);
    bytes.resize(size);
    return bytes;
  }
  static std::string sign(EVP_PKEY* key, const std::string& text) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return signature;
  }

  Key rsa_;
  Key ec_;
  std::string secret_ = "a secret of thirty-two bytes, no less";
};

}  // namespace rowgate::security
