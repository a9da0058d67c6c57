#include "gateway/security/authenticator.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "gateway/security/password_hash.hpp"
#include "tests/gateway/security/scratch_directory.hpp"
#include "tests/gateway/security/token_maker.hpp"

namespace rowgate::security {
namespace {

using mqtt::ReasonCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto ok = ReasonCode::success;
constexpr auto bad = ReasonCode::bad_user_name_or_password;

class authenticator : public ScratchDirectory {
 protected:
  static const std::string& hash() {  // of "right"
    static const std::string hash = hash_password("right");
    return hash;
  }
  authenticator() {
    options_.now = [this] { return Timestamp{now_.load()}; };
    options_.threads = 1;
  }
  void with_users() {
    options_.users = write("users", "ann:operator:" + hash() + "\nm-1:meter:*\n");
  }
  void with_keys() {
    options_.jwks = write("keys", R"({"keys":[)" + TokenMaker::instance().oct_jwk() + "]}");
  }
  static std::string token(const std::string& claims) {
    return TokenMaker::instance().hs256(claims);
  }
  static Credentials login(std::optional<std::string> user, std::optional<std::string> password,
                           std::string address = "192.0.2.1") {
    return {"client", std::move(user), std::move(password), "", std::move(address)};
  }
  static Credentials certificate(std::string user, std::optional<std::string> name = {}) {
    return {"client", std::move(name), std::nullopt, std::move(user), "192.0.2.1"};
  }

  static Verdict ask(Authenticator& authenticator, Credentials credentials) {
    std::promise<Verdict> promise;
    authenticator.authenticate(std::move(credentials),
                               [&](Verdict&& v) { promise.set_value(std::move(v)); });
    return promise.get_future().get();
  }
  /// nullopt: it is not answered before authenticate() returns.
  static std::optional<Verdict> ask_at_once(Authenticator& authenticator, Credentials credentials) {
    std::optional<Verdict> verdict;
    const auto caller = std::this_thread::get_id();
    std::promise<void> called;
    authenticator.authenticate(std::move(credentials), [&](Verdict&& v) {
      if (std::this_thread::get_id() == caller) verdict = std::move(v);
      called.set_value();
    });
    called.get_future().wait();
    return verdict;
  }

  Authenticator::Options options_;
  std::atomic<std::int64_t> now_{1'800'000'000'000'000};
};

TEST_F(authenticator, right_password_is_let_in_with_its_roles) {
  with_users();
  Authenticator a(options_);
  const Verdict verdict = ask(a, login("ann", "right"));
  EXPECT_EQ(verdict.code, ok);
  EXPECT_EQ(verdict.identity.user, "ann");
  EXPECT_THAT(verdict.identity.roles, ElementsAre("operator"));
  EXPECT_FALSE(verdict.identity.expires);
}

TEST_F(authenticator, wrong_passwords_and_unknown_users_are_told_the_same_and_both_are_hashed) {
  with_users();
  Authenticator a(options_);
  const char* reason = "unknown user or wrong password";
  for (const Credentials& c : {login("ann", "wrong"), login("bob", "right"), login("m-1", "*"),
                               login("m-1", ""), login("ann", "wrong"), login("ann", hash())}) {
    const Verdict verdict = ask(a, c);
    EXPECT_EQ(verdict.code, bad);
    EXPECT_STREQ(verdict.reason, reason);
  }
  EXPECT_EQ(a.counts().hashed, 6U);
  EXPECT_EQ(a.counts().refused, 6U);
}

TEST_F(authenticator, half_of_a_login_is_refused) {
  with_users();
  options_.anonymous = true;
  Authenticator a(options_);
  EXPECT_EQ(ask_at_once(a, login("ann", {}))->code, bad);
  EXPECT_EQ(ask_at_once(a, login({}, "right"))->code, bad);
  EXPECT_EQ(ask_at_once(a, login("", "right"))->code, bad);
  EXPECT_EQ(ask(a, login("ann", "")).code, bad);
}

TEST_F(authenticator, without_credentials_it_depends_on_anonymous) {
  with_users();
  {
    Authenticator a(options_);
    EXPECT_EQ(ask_at_once(a, login({}, {}))->code, ReasonCode::not_authorized);
    EXPECT_EQ(ask_at_once(a, login("", ""))->code, ReasonCode::not_authorized);
  }
  options_.anonymous = true;
  Authenticator a(options_);
  const auto verdict = ask_at_once(a, login({}, {}));
  EXPECT_EQ(verdict->code, ok);
  EXPECT_EQ(verdict->identity.user, "");
}

TEST_F(authenticator, a_name_that_nobody_can_check_is_never_taken) {
  options_.anonymous = true;
  {
    Authenticator open(options_);
    const auto verdict = ask_at_once(open, login("ann", "any"));
    EXPECT_EQ(verdict->code, ok);
    EXPECT_EQ(verdict->identity.user, "");
  }
  with_keys();
  Authenticator tokens_only(options_);
  EXPECT_EQ(ask_at_once(tokens_only, login("ann", "any"))->code, bad);
  options_.jwks.clear();
  options_.anonymous = false;
  Authenticator closed(options_);
  EXPECT_EQ(ask_at_once(closed, login("ann", "any"))->code, bad);
}

TEST_F(authenticator, a_certificates_user_needs_no_password_and_has_the_roles_of_the_users_file) {
  with_users();
  Authenticator a(options_);
  const auto known = ask_at_once(a, certificate("m-1"));
  EXPECT_EQ(known->code, ok);
  EXPECT_EQ(known->identity.user, "m-1");
  EXPECT_THAT(known->identity.roles, ElementsAre("meter"));
  const auto unknown = ask_at_once(a, certificate("m-2", "m-2"));
  EXPECT_EQ(unknown->code, ok);
  EXPECT_THAT(unknown->identity.roles, IsEmpty());
}

TEST_F(authenticator, a_certificate_is_asked_first_and_its_user_must_agree) {
  with_users();
  Authenticator a(options_);
  EXPECT_EQ(ask_at_once(a, certificate("m-1", "ann"))->code, bad);
  EXPECT_EQ(ask_at_once(a, certificate("m-1", ""))->code, ok);
  EXPECT_EQ(ask_at_once(a, certificate("m\n1"))->code, bad);
  EXPECT_EQ(ask_at_once(a, certificate("m\xff"))->code, bad);
}

TEST_F(authenticator, a_token_says_who_it_is) {
  with_users();
  with_keys();
  options_.jwt_audience = "rowgate";
  Authenticator a(options_);
  const auto good = R"({"sub":"cy","aud":"rowgate","roles":["x"],"exp":1800000100})";
  for (const std::optional<std::string>& name :
       {std::optional<std::string>(), std::optional<std::string>(""),
        std::optional<std::string>("cy")}) {
    const auto verdict = ask_at_once(a, login(name, token(good)));
    EXPECT_EQ(verdict->code, ok);
    EXPECT_EQ(verdict->identity.user, "cy");
    EXPECT_THAT(verdict->identity.roles, ElementsAre("x"));
    EXPECT_EQ(verdict->identity.expires, Timestamp{1'800'000'100'000'000});
  }
  EXPECT_EQ(ask_at_once(a, login("ann", token(good)))->code, bad);
  EXPECT_EQ(ask_at_once(a, login({}, token(R"({"sub":"cy"})")))->code, bad);
  now_ = 1'800'000'100'000'000;
  EXPECT_STREQ(ask_at_once(a, login({}, token(good)))->reason, "the token has expired");
  EXPECT_EQ(ask(a, login("ann", "right")).code, ok);
}

TEST_F(authenticator, what_was_verified_is_not_hashed_again_until_its_time_is_over) {
  with_users();
  Authenticator a(options_);
  EXPECT_EQ(ask_at_once(a, login("ann", "right")), std::nullopt);
  const auto again = ask_at_once(a, login("ann", "right"));
  ASSERT_NE(again, std::nullopt);
  EXPECT_EQ(again->code, ok);
  EXPECT_THAT(again->identity.roles, ElementsAre("operator"));
  EXPECT_EQ(a.counts().hashed, 1U);
  EXPECT_EQ(a.counts().remembered, 1U);
  now_ += 3'600'000'000;
  EXPECT_EQ(ask_at_once(a, login("ann", "right")), std::nullopt);
  EXPECT_EQ(a.counts().hashed, 2U);
}

TEST_F(authenticator, a_changed_password_and_a_removed_user_count_at_once) {
  with_users();
  Authenticator a(options_);
  EXPECT_EQ(ask(a, login("ann", "right")).code, ok);
  write("users", "ann::" + hash_password("new") + "\n");
  EXPECT_TRUE(a.reload());
  EXPECT_EQ(ask(a, login("ann", "right")).code, bad);
  EXPECT_EQ(ask(a, login("ann", "new")).code, ok);
  write("users", "# nobody\n");
  EXPECT_TRUE(a.reload());
  EXPECT_EQ(ask(a, login("ann", "new")).code, bad);
}

/// Holds the one hashing thread in its first answer until told to go on.
class busy_authenticator : public authenticator {
 protected:
  void begin() {
    with_users();
    subject_ = std::make_unique<Authenticator>(options_);
    subject_->authenticate(login("ann", "right", "blocker"), [this](Verdict&&) {
      held_.count_down();
      release_.wait();
    });
    held_.wait();
  }
  void ask_for(const std::string& address, const std::string& password = "wrong") {
    subject_->authenticate(login("ann", password, address), [this, address](Verdict&& v) {
      const std::lock_guard lock(mutex_);
      answers_.emplace_back(address, v.code);
    });
  }
  std::latch held_{1};
  std::latch release_{1};
  std::mutex mutex_;
  std::vector<std::pair<std::string, ReasonCode>> answers_;  // guarded by mutex_
  std::unique_ptr<Authenticator> subject_;
};

TEST_F(busy_authenticator, one_address_does_not_take_all_places_and_a_full_queue_is_said_at_once) {
  options_.queue = 8;
  begin();
  for (int i = 0; i < 3; ++i) ask_for("a");
  EXPECT_THAT(answers_, ElementsAre(std::pair("a", ReasonCode::server_busy)));
  for (const char* address : {"b", "c", "d", "e", "f", "g", "h"}) ask_for(address);
  EXPECT_THAT(answers_, ElementsAre(std::pair("a", ReasonCode::server_busy),
                                    std::pair("h", ReasonCode::server_busy)));
  EXPECT_EQ(subject_->counts().busy, 2U);
  release_.count_down();
  subject_.reset();
}

TEST_F(busy_authenticator, who_has_waited_too_long_is_answered_without_hashing) {
  begin();
  ask_for("a");
  now_ += 11'000'000;
  release_.count_down();
  EXPECT_EQ(ask(*subject_, login("ann", "wrong", "b")).code, bad);
  EXPECT_THAT(answers_, ElementsAre(std::pair("a", ReasonCode::server_busy)));
  EXPECT_EQ(subject_->counts().hashed, 2U);
}

TEST_F(busy_authenticator, who_still_waits_at_the_end_is_told) {
  begin();
  ask_for("a");
  std::thread ending([this] { subject_.reset(); });
  // The waiting one is answered before the thread that is held has ended.
  for (bool answered = false; !answered; std::this_thread::yield()) {
    const std::lock_guard lock(mutex_);
    answered = !answers_.empty();
  }
  release_.count_down();
  ending.join();
  EXPECT_THAT(answers_, ElementsAre(std::pair("a", ReasonCode::server_unavailable)));
}

TEST_F(busy_authenticator, a_password_that_is_changed_while_it_waits_is_refused) {
  options_.remembered = 0;
  begin();
  ask_for("a", "right");
  write("users", "ann::" + hash_password("new") + "\n");
  EXPECT_TRUE(subject_->reload());
  release_.count_down();
  EXPECT_EQ(ask(*subject_, login("ann", "wrong", "b")).code, bad);
  EXPECT_THAT(answers_, ElementsAre(std::pair("a", bad)));
}

TEST_F(busy_authenticator, a_fleet_that_shares_a_user_is_hashed_once) {
  options_.remember_for = std::chrono::hours(1);
  with_users();
  subject_ = std::make_unique<Authenticator>(options_);
  std::atomic<int> let_in{0};
  for (int i = 0; i < 100; ++i) {
    subject_->authenticate(login("ann", "right", std::to_string(i)),
                           [&](Verdict&& v) { let_in += v.code == ok ? 1 : 0; });
  }
  EXPECT_EQ(ask(*subject_, login("bob", "x", "100")).code, bad);  // behind all of them
  EXPECT_EQ(let_in, 100);
  EXPECT_EQ(subject_->counts().hashed, 2U);
}

TEST_F(authenticator, a_broken_file_is_refused_whole_and_the_old_one_stays) {
  with_users();
  with_keys();
  Authenticator a(options_);
  EXPECT_FALSE(a.reload());
  write("users", "bob::" + hash() + "\nbroken\n");
  write("keys", R"({"keys":[{"kty":"oct"}]})");
  try {
    a.reload();
    FAIL();
  } catch (const FileError& e) {
    EXPECT_EQ(std::string(e.what()), path("users") + ":2: not of the form NAME:ROLE,ROLE:HASH\n" +
                                         path("keys") + ":1: a key: k is missing or not base64url");
  }
  EXPECT_FALSE(a.reload()) << "the same broken file is said once";
  EXPECT_EQ(ask(a, login("ann", "right")).code, ok);
  EXPECT_EQ(ask(a, login({}, token(R"({"sub":"cy"})"))).code, ok);
  EXPECT_EQ(ask(a, login("bob", "right")).code, bad);
}

TEST_F(authenticator, a_broken_file_does_not_keep_the_other_from_being_read) {
  with_users();
  with_keys();
  Authenticator a(options_);
  write("users", "broken\n");
  write("keys", R"({"keys":[)" + TokenMaker::instance().ec_jwk() + "]}");
  EXPECT_THROW(a.reload(), FileError);
  EXPECT_EQ(ask(a, login({}, token(R"({"sub":"cy"})"))).code, bad);
  EXPECT_EQ(ask(a, login({}, TokenMaker::instance().es256(R"({"sub":"cy"})"))).code, ok);
}

TEST_F(authenticator, files_that_are_broken_or_missing_at_the_start_are_named) {
  options_.users = path("users");
  try {
    Authenticator a(options_);
    FAIL();
  } catch (const FileError& e) {
    EXPECT_THAT(e.what(), HasSubstr("rowgate user add NAME --users " + path("users")));
  }
  with_users();
  options_.jwks = path("none");
  EXPECT_THROW(Authenticator a(options_), FileError);
}

TEST_F(authenticator, secrets_for_all_eyes_are_worth_a_warning) {
  with_users();
  with_keys();
  std::filesystem::permissions(options_.users, std::filesystem::perms{0644});
  std::filesystem::permissions(options_.jwks, std::filesystem::perms{0644});
  std::vector<std::string> warnings;
  Authenticator a(options_, &warnings);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("the users file; chmod 600"),
                                    HasSubstr("the key set; chmod 600")));
  warnings.clear();
  write("keys", R"({"keys":[)" + TokenMaker::instance().ec_jwk() + "]}");
  EXPECT_TRUE(a.reload(&warnings));
  EXPECT_THAT(warnings, IsEmpty()) << "public keys are no secret";
}

TEST_F(authenticator, many_threads_may_ask_while_files_change) {
  with_users();
  with_keys();
  options_.threads = 2;
  Authenticator a(options_);
  std::atomic<int> answers{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        a.authenticate(login("ann", i % 25 == 0 ? "wrong" : "right", std::to_string(t)),
                       [&](Verdict&&) { ++answers; });
        a.authenticate(login({}, token(R"({"sub":"cy"})")), [&](Verdict&&) { ++answers; });
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    write("users", "ann:r" + std::to_string(i) + ":" + hash() + "\n");
    a.reload();
  }
  for (std::thread& thread : threads) thread.join();
  while (answers != 400) std::this_thread::yield();
  const auto counts = a.counts();
  EXPECT_EQ(counts.accepted + counts.refused + counts.busy, 400U);
}

}  // namespace
}  // namespace rowgate::security
