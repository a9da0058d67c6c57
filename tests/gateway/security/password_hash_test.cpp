#include "gateway/security/password_hash.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/security/base64url.hpp"

namespace rowgate::security {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(password_hash, a_password_is_known_again_and_no_other) {
  const std::string hash = hash_password("tr0ub4dor");
  EXPECT_THAT(hash, StartsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_EQ(hash_problem(hash), "");
  EXPECT_TRUE(verify_password("tr0ub4dor", hash));
  EXPECT_FALSE(verify_password("tr0ub4do", hash));
  EXPECT_FALSE(verify_password("", hash));
  EXPECT_NE(hash_password("tr0ub4dor"), hash) << "the salt is another each time";
}

TEST(password_hash, a_password_may_hold_any_bytes) {
  const std::string password("a\0b", 3);
  const std::string hash = hash_password(password);
  EXPECT_TRUE(verify_password(password, hash));
  EXPECT_FALSE(verify_password("a", hash));
}

TEST(password_hash, the_dummy_costs_the_same_and_is_nobodys) {
  EXPECT_EQ(hash_problem(dummy_hash()), "");
  EXPECT_THAT(dummy_hash(), StartsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_EQ(dummy_hash().size(), hash_password("a").size());
  EXPECT_FALSE(verify_password("", dummy_hash()));
}

TEST(password_hash, forms_that_are_none_are_refused) {
  const std::string salt_and_hash = "$cm93Z2F0ZS1kdW1teS0xNg$Tm9ib2R5J3MgcGFzc3dvcmQ6IGp1c3QgdGV4";
  for (const char* form :
       {"", "secret", "$2b$12$abc", "$argon2i$v=19$m=19456,t=2,p=1", "$argon2id$v=16$m=8,t=1,p=1",
        "$argon2id$v=19$m=,t=2,p=1", "$argon2id$v=19$m=19456,t=0,p=1",
        "$argon2id$v=19$m=99999999999,t=1,p=1", "$argon2id$v=19$m=19456,t=2,p=1,x=1"}) {
    EXPECT_THAT(hash_problem(form + salt_and_hash), HasSubstr("not Argon2id")) << form;
  }
  EXPECT_THAT(hash_problem("$argon2id$v=19$m=19456,t=2,p=1"), HasSubstr("not Argon2id"));
  EXPECT_THAT(hash_problem("$argon2id$v=19$m=19456,t=2,p=1$a$b"), HasSubstr("not Argon2id"));
  EXPECT_EQ(hash_problem("$argon2id$v=19$m=65536,t=3,p=4" + salt_and_hash), "");
}

TEST(password_hash, a_hash_that_would_cost_too_much_is_refused) {
  const std::string salt_and_hash = "$cm93Z2F0ZS1kdW1teS0xNg$Tm9ib2R5J3MgcGFzc3dvcmQ6IGp1c3QgdGV4";
  for (const char* cost : {"m=1048576,t=1,p=1", "m=19456,t=1000,p=1", "m=19456,t=2,p=64"}) {
    EXPECT_THAT(hash_problem("$argon2id$v=19$" + std::string(cost) + salt_and_hash),
                HasSubstr("at most m=262144,t=16,p=4"));
  }
}

TEST(base64url, each_text_of_bytes_has_one_form) {
  EXPECT_EQ(decode_base64url(""), "");
  EXPECT_EQ(decode_base64url("Zg"), "f");
  EXPECT_EQ(decode_base64url("Zm9vYmE"), "fooba");
  EXPECT_EQ(decode_base64url("-_8"), "\xfb\xff");
  for (const char* text : {"Z", "Zh", "Zm9=", "Zg==", "+/8", "Zm 9", "Zm9vY"}) {
    EXPECT_FALSE(decode_base64url(text)) << text;
  }
}

}  // namespace
}  // namespace rowgate::security
