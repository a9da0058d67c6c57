// A JSON Web Token as a password, and a JWKS file. The first byte chooses: the rest is a token for
// a fixed key set, or header and payload of one that is signed here, or a key set.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/security/jwt.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate;
using namespace rowgate::security;

namespace {

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";
constexpr Timestamp now{1'700'000'000'000'000};

std::string base64url(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return out;
}

const KeySet& keys() {
  static const KeySet set = KeySet::parse(
      R"({"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":")" + base64url(secret) + R"("}]})",
      "keys.json");
  return set;
}

std::string sign(std::string_view header, std::string_view payload) {
  std::string token = base64url(header) + "." + base64url(payload);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac, &size);
  return token + "." + base64url({reinterpret_cast<const char*>(mac), size});
}

/// Whether it is taken.
bool verify(std::string_view token) {
  const auto claims = keys().verify(token, {}, now);
  if (!claims) {
    must(claims.error().reason[0] != '\0');
    return false;
  }
  must(!claims->subject.empty());
  must(!claims->expires || *claims->expires > now);
  must(token.size() <= max_token_bytes);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 3) {
    case 0:
      // Nobody who does not know the secret is let in: a fuzzer neither.
      must(!verify(input));
      looks_like_token(input);
      break;
    case 1: {
      const std::size_t cut = std::min(input.find('\n'), input.size());
      const std::string_view payload = cut < input.size() ? input.substr(cut + 1) : "";
      verify(sign(input.substr(0, cut), payload));
      verify(sign(R"({"alg":"HS256"})", payload));
      break;
    }
    default:
      try {
        must(KeySet::parse(input, "keys.json").size() > 0);
      } catch (const FileError& error) {
        must(error.what()[0] != '\0');
      }
  }
  return 0;
}
