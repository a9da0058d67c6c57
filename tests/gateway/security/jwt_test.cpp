#include "gateway/security/jwt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/security/token_maker.hpp"

namespace rowgate::security {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Timestamp now{1'800'000'000'000'000};
const TokenMaker& maker = TokenMaker::instance();

KeySet keys(const std::string& text) {
  return KeySet::parse(R"({"keys":[)" + text + "]}", "keys.json");
}
KeySet all_keys() {
  return keys(maker.rsa_jwk() + "," + maker.ec_jwk() + "," + maker.oct_jwk());
}

/// "ok", or why the token is refused.
std::string verdict(const KeySet& set, const std::string& token, const Expected& expected = {}) {
  const auto claims = set.verify(token, expected, now);
  return claims ? "ok" : claims.error().reason;
}

std::string claims_verdict(const std::string& claims, const Expected& expected = {}) {
  return verdict(all_keys(), maker.hs256(claims), expected);
}

TEST(jwt, each_algorithm_is_verified_with_its_key) {
  const std::string claims = R"({"sub":"ann"})";
  const KeySet set = all_keys();
  EXPECT_EQ(set.size(), 3U);
  EXPECT_EQ(verdict(set, maker.rs256(claims)), "ok");
  EXPECT_EQ(verdict(set, maker.es256(claims)), "ok");
  EXPECT_EQ(verdict(set, maker.hs256(claims)), "ok");
}

TEST(jwt, the_claims_say_who_it_is) {
  const auto claims = all_keys().verify(
      maker.rs256(R"({"sub":"ann","roles":["a","b"],"groups":["c"],"exp":1800000001.5})"), {}, now);
  ASSERT_TRUE(claims.has_value());
  EXPECT_EQ(claims->subject, "ann");
  EXPECT_THAT(claims->roles, ElementsAre("a", "b"));
  EXPECT_EQ(claims->expires, Timestamp{1'800'000'001'500'000});
  const auto groups = all_keys().verify(maker.rs256(R"({"sub":"ann","groups":["c"]})"), {}, now);
  ASSERT_TRUE(groups.has_value());
  EXPECT_THAT(groups->roles, ElementsAre("c"));
  EXPECT_FALSE(groups->expires);
}

TEST(jwt, the_example_of_rfc_7515_has_a_good_signature) {
  const KeySet set = keys(
      R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h)"
      R"(cgUuTwjAzZr1Z9CAow"})");
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
      "Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_EQ(verdict(set, token), "the token has expired");
}

TEST(jwt, any_changed_character_is_noticed) {
  const KeySet set = all_keys();
  for (const std::string& good : {maker.rs256(R"({"sub":"ann"})"), maker.es256(R"({"sub":"ann"})"),
                                  maker.hs256(R"({"sub":"ann"})")}) {
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string token = good;
      token[i] = token[i] == 'A' ? 'B' : 'A';
      EXPECT_NE(verdict(set, token), "ok") << i;
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_NE(verdict(set, good.substr(0, size)), "ok") << size;
    }
  }
}

TEST(jwt, none_is_no_algorithm) {
  for (const char* none : {"none", "None", "NONE", "", "HS512", "RS256 ", "rs256"}) {
    const std::string header = R"({"alg":")" + std::string(none) + R"("})";
    const std::string token = base64url(header) + "." + base64url(R"({"sub":"ann"})") + ".";
    EXPECT_EQ(verdict(all_keys(), token), "the token's alg is none of RS256, ES256 and HS256");
    EXPECT_TRUE(looks_like_token(token));
  }
}

TEST(jwt, a_public_key_is_never_a_secret) {
  const std::string claims = R"({"sub":"ann"})";
  const KeySet rsa = keys(maker.rsa_jwk());
  for (const std::string& secret : {maker.modulus(), base64url(maker.modulus()), std::string()}) {
    for (const char* header : {R"({"alg":"HS256","kid":"rsa"})", R"({"alg":"HS256"})"}) {
      EXPECT_EQ(verdict(rsa, TokenMaker::hs256_with(secret, claims, header)),
                "the key set has no such key");
    }
  }
  EXPECT_EQ(verdict(all_keys(), maker.hs256(claims, R"({"alg":"HS256","kid":"rsa"})")),
            "the key set has no such key");
}

TEST(jwt, a_signature_of_another_algorithm_is_wrong) {
  const std::string claims = R"({"sub":"ann"})";
  EXPECT_EQ(verdict(all_keys(), maker.rs256(claims, R"({"alg":"ES256"})")),
            "the token's signature is wrong");
  EXPECT_EQ(verdict(all_keys(), maker.es256(claims, R"({"alg":"RS256"})")),
            "the token's signature is wrong");
}

TEST(jwt, keys_are_rotated_by_name_and_tried_in_turn_without_one) {
  const std::string other =
      R"({"kty":"oct","kid":"new","k":")" + base64url(std::string(40, 'n')) + R"("})";
  const KeySet set = keys(other + "," + maker.oct_jwk(R"("kid":"old")"));
  const std::string claims = R"({"sub":"ann"})";
  EXPECT_EQ(verdict(set, maker.hs256(claims, R"({"alg":"HS256"})")), "ok");
  EXPECT_EQ(verdict(set, maker.hs256(claims, R"({"alg":"HS256","kid":"old"})")), "ok");
  EXPECT_EQ(verdict(set, maker.hs256(claims, R"({"alg":"HS256","kid":"new"})")),
            "the token's signature is wrong");
  EXPECT_EQ(verdict(set, maker.hs256(claims, R"({"alg":"HS256","kid":"x"})")),
            "the key set has no such key");
}

TEST(jwt, times_are_kept) {
  EXPECT_EQ(claims_verdict(R"({"sub":"a","exp":1800000001})"), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","exp":1800000000})"), "the token has expired");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","exp":-1e300})"), "the token has expired");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","exp":1e300})"), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","exp":"1800000001"})"), "the token's exp is no time");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","nbf":1800000060})"), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","nbf":1800000061})"), "the token is not valid yet");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","nbf":[]})"), "the token's nbf is no time");
}

TEST(jwt, audience_and_issuer_are_checked_where_they_are_expected) {
  const Expected audience{"rowgate", ""};
  EXPECT_EQ(claims_verdict(R"({"sub":"a","aud":"rowgate"})", audience), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","aud":["x","rowgate"]})", audience), "ok");
  for (const char* claims : {R"({"sub":"a"})", R"({"sub":"a","aud":"x"})",
                             R"({"sub":"a","aud":[]})", R"({"sub":"a","aud":["x",1,"rowgate"]})"}) {
    EXPECT_EQ(claims_verdict(claims, audience), "the token is for another audience") << claims;
  }
  const Expected issuer{"", "https://id.example"};
  EXPECT_EQ(claims_verdict(R"({"sub":"a","iss":"https://id.example"})", issuer), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":"a"})", issuer), "the token is of another issuer");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","iss":["https://id.example"]})", issuer),
            "the token is of another issuer");
}

TEST(jwt, claims_that_name_nobody_are_refused) {
  EXPECT_EQ(claims_verdict("{}"), "the token names no sub");
  EXPECT_EQ(claims_verdict(R"({"sub":""})"), "the token names no sub");
  EXPECT_EQ(claims_verdict(R"({"sub":7})"), "the token names no sub");
  EXPECT_EQ(claims_verdict(R"({"sub":"a\nb"})"), "the token's sub has a control character");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","roles":"admin"})"),
            "the token's roles or groups are no array of texts");
  EXPECT_EQ(claims_verdict(R"({"sub":"a","roles":[1]})"),
            "the token's roles or groups are no array of texts");
  EXPECT_EQ(claims_verdict("[]"), "the token's claims are no JSON object");
  EXPECT_EQ(claims_verdict("{"), "the token's claims are no JSON object");
}

TEST(jwt, headers_that_say_too_much_or_too_little_are_refused) {
  const auto with = [](const char* header) {
    return verdict(all_keys(), maker.hs256(R"({"sub":"a"})", header));
  };
  EXPECT_EQ(with(R"({"alg":"HS256","crit":["b64"],"b64":false})"),
            "the token has crit, which is not known");
  EXPECT_EQ(with(R"({"kid":"oct"})"), "the token names no alg");
  EXPECT_EQ(with(R"({"alg":["HS256"]})"), "the token names no alg");
  EXPECT_EQ(with(R"({"alg":"HS256","kid":7})"), "the token's kid is no text");
  EXPECT_EQ(with("[1]"), "the token's header is no JSON object");
}

TEST(jwt, a_token_longer_than_8_kib_is_refused) {
  EXPECT_EQ(claims_verdict(R"({"sub":")" + std::string(5900, 'a') + R"("})"), "ok");
  EXPECT_EQ(claims_verdict(R"({"sub":")" + std::string(8192, 'a') + R"("})"),
            "the token is longer than 8 KiB");
}

TEST(jwt, passwords_do_not_look_like_tokens) {
  EXPECT_TRUE(looks_like_token(maker.rs256("{}")));
  EXPECT_TRUE(looks_like_token(base64url("{ \"alg\"") + ".a.b"));
  for (const char* text : {"", "..", "secret", "a.b.c", "ey.J", "eyJ.a b.c", "eyJ.a.b.c", "fyJ.a.b",
                           "e.a.b", "eaJ.a.b"}) {
    EXPECT_FALSE(looks_like_token(text)) << text;
  }
}

std::string refusal(const std::string& json) {
  try {
    KeySet::parse(json, "keys.json");
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}

TEST(jwks, keys_for_other_uses_are_passed_over) {
  EXPECT_EQ(keys(maker.oct_jwk() + "," + maker.rsa_jwk(R"("use":"enc")") + "," +
                 maker.rsa_jwk(R"("alg":"RS512")") + R"(,{"kty":"OKP","crv":"Ed25519","x":"AA"})")
                .size(),
            1U);
  EXPECT_THAT(refusal(R"({"keys":[]})"), HasSubstr("keys.json:1: there is no key for signatures"));
}

TEST(jwks, broken_and_weak_keys_are_named_with_their_line) {
  const auto in_line_2 = [](const std::string& key) {
    return refusal("{\"keys\":[\n" + key + "\n]}");
  };
  EXPECT_EQ(in_line_2(R"({"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"})"),
            "keys.json:2: key 'a': the RSA key has less than 2048 bits");
  EXPECT_EQ(in_line_2(R"({"kty":"RSA","n":"*","e":"AQAB"})"),
            "keys.json:2: a key: n is missing or not base64url");
  EXPECT_EQ(in_line_2(R"({"kty":"oct","kid":"s","k":"c2hvcnQ"})"),
            "keys.json:2: key 's': the secret has less than 32 bytes");
  const std::string zeros = base64url(std::string(31, '\0') + "\1");
  EXPECT_EQ(
      in_line_2(R"({"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros + R"("})"),
      "keys.json:2: a key: x and y are no point on P-256");
  EXPECT_EQ(in_line_2("{}"), "keys.json:2: a key has no kty");
}

TEST(jwks, what_is_no_key_set_is_refused) {
  for (const char* json :
       {"", "[]", "7", "{", R"({"keys":7})", R"({"keys":[7]})", R"({"keys":[{"kty":"oct")"}) {
    EXPECT_THAT(refusal(json), HasSubstr("keys.json:1: ")) << json;
  }
  EXPECT_EQ(refusal(R"({"key":[]})"), "keys.json:1: there is no array 'keys'");
  EXPECT_THAT(refusal("{\n\"keys\":[\n{\"kty\" \"oct\"}]}"),
              HasSubstr("keys.json:3: not the JSON"));
}

}  // namespace
}  // namespace rowgate::security
