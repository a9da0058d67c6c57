#include "gateway/security/token_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include <array>
#include <utility>

namespace rowgate::security {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* p) const noexcept {
    free(p);
  }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

constexpr int least_rsa_bits = 2048;
constexpr int most_rsa_bits = 8192;  // above, a verification takes milliseconds
constexpr int most_exponent_bits = 64;
constexpr std::size_t coordinate_bytes = 32;
constexpr std::size_t least_secret_bytes = 32;
constexpr std::size_t mac_bytes = 32;

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number(std::string_view big_endian) {
  return Number(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

/// nullptr: OpenSSL does not take the key, a point off the curve for one.
std::shared_ptr<EVP_PKEY> make_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  std::shared_ptr<EVP_PKEY> owned(key, EVP_PKEY_free);
  const KeyContext checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return checking && EVP_PKEY_public_check(checking.get()) == 1 ? owned : nullptr;
}

bool verify_digest(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

/// JWS has r and s side by side, OpenSSL wants them in DER. Empty: not 64 bytes.
std::string to_der(std::string_view signature) {
  if (signature.size() != 2 * coordinate_bytes) return "";
  Number r = number(signature.substr(0, coordinate_bytes));
  Number s = number(signature.substr(coordinate_bytes));
  const Signature both(ECDSA_SIG_new());
  if (!r || !s || !both || ECDSA_SIG_set0(both.get(), r.get(), s.get()) != 1) return "";
  static_cast<void>(r.release());  // both has them now
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &der);
  if (size <= 0) return "";
  std::string result(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return result;
}

}  // namespace

TokenKey::TokenKey(Algorithm algorithm, std::shared_ptr<evp_pkey_st> key, std::string secret)
    : algorithm_(algorithm), key_(std::move(key)), secret_(std::move(secret)) {}

TokenKey::Made TokenKey::rsa(std::string_view modulus, std::string_view exponent) {
  const Number n = number(modulus);
  const Number e = number(exponent);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder) return std::string("there is no memory for it");
  const int bits = BN_num_bits(n.get());
  if (bits < least_rsa_bits) return std::string("the RSA key has less than 2048 bits");
  if (bits > most_rsa_bits) return std::string("the RSA key has more than 8192 bits");
  if (BN_num_bits(e.get()) > most_exponent_bits || BN_is_odd(e.get()) != 1 ||
      BN_is_one(e.get()) == 1) {
    return std::string("the RSA key's exponent is none");
  }
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  auto key = make_key("RSA", builder.get());
  if (!key) return std::string("it is no RSA public key");
  return TokenKey(Algorithm::rs256, std::move(key), "");
}

TokenKey::Made TokenKey::p256(std::string_view x, std::string_view y) {
  if (x.size() != coordinate_bytes || y.size() != coordinate_bytes) {
    return std::string("x and y of a P-256 key have 32 bytes each");
  }
  std::string point("\x04");  // uncompressed
  point.append(x).append(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder) return std::string("there is no memory for it");
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  auto key = make_key("EC", builder.get());
  if (!key) return std::string("x and y are no point on P-256");
  return TokenKey(Algorithm::es256, std::move(key), "");
}

TokenKey::Made TokenKey::secret(std::string_view bytes) {
  if (bytes.size() < least_secret_bytes) return std::string("the secret has less than 32 bytes");
  return TokenKey(Algorithm::hs256, nullptr, std::string(bytes));
}

bool TokenKey::verify(std::string_view text, std::string_view signature) const {
  switch (algorithm_) {
    case Algorithm::rs256:
      return verify_digest(key_.get(), text, signature);
    case Algorithm::es256: {
      const std::string der = to_der(signature);
      return !der.empty() && verify_digest(key_.get(), text, der);
    }
    case Algorithm::hs256: {
      std::array<unsigned char, mac_bytes> mac;
      return signature.size() == mac.size() &&
             HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes_of(text),
                  text.size(), mac.data(), nullptr) != nullptr &&
             CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
    }
  }
  return false;
}

}  // namespace rowgate::security
