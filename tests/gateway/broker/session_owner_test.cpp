// Whose a session is: nobody but the user who began it comes back to it.
#include "gateway/broker/session.hpp"
#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using Next = Session::Next;
constexpr Version v311 = Version::v311, v5 = Version::v5;

class SessionOwnerTest : public SessionTest {
 protected:
  /// A CONNECT of a user whom the Authenticator knows.
  Next connect_as(Client& client, const char* user, const ConnectOptions& o = {}) {
    broker_->authenticator = &strict_;
    EXPECT_EQ(client.send(connect("sensor", o)), Next::authenticate);
    security::Verdict verdict;
    verdict.code = ReasonCode::success;
    verdict.identity.user = user;
    client.session.authenticated(std::move(verdict));
    return client.send("");
  }
  /// What another user is told; nothing of the session must change.
  void expect_refused(const char* user, Version version) {
    Client stranger(*broker_, 9);
    const auto refused = broker_->counters.refused.load();
    EXPECT_EQ(connect_as(stranger, user, {.version = version}), Next::close);
    EXPECT_EQ(stranger.out, version == v5 ? "\x20\x03\0\x85\0"s : "\x20\x02\0\x02"s);
    EXPECT_STREQ(stranger.session.reason(), "the client id is in use by a session of another user");
    EXPECT_EQ(broker_->counters.refused.load(), refused + 1);
    stranger.close();
    EXPECT_EQ(broker_->counters.take_overs.load(), 0U);
  }
  const ConnectOptions kept_ = {.clean = false};
  security::Authenticator strict_{{}};
};

TEST_F(SessionOwnerTest, ConnectedOneIsNotTakenOverByAnotherUser) {
  Client ann(*broker_, 1);
  connect_as(ann, "ann");
  ASSERT_EQ(ann.answers(), connack_v311);
  expect_refused("bob", v311);
  expect_refused("bob", v5);
  expect_refused("", v5);  // anonymous
  EXPECT_EQ(ann.send("\xC0\0"s), Next::read);
  EXPECT_EQ(ann.answers(), "\xD0\0"s);
}

TEST_F(SessionOwnerTest, KeptOneWaitsForItsUserAlsoAfterARestart) {
  Client ann(*broker_, 1);
  connect_as(ann, "ann", kept_);
  ASSERT_EQ(ann.answers(), connack_v311);
  ann.close();
  expect_refused("bob", v5);
  restart();  // from the journal
  expect_refused("bob", v5);
  checkpoint();
  restart();  // from the store
  expect_refused("bob", v311);
  Client again(*broker_, 2);
  connect_as(again, "ann", kept_);
  EXPECT_EQ(again.answers(), "\x20\x02\x01\0"s);  // session present
}

TEST_F(SessionOwnerTest, AnonymousOneIsNotForUsers) {
  Client anonymous(*broker_, 1);
  connect_as(anonymous, "", kept_);
  ASSERT_EQ(anonymous.answers(), connack_v311);
  anonymous.close();
  expect_refused("bob", v5);
}

TEST_F(SessionOwnerTest, OneThatHasEndedIsAnybodys) {
  Client ann(*broker_, 1);
  connect_as(ann, "ann", {.version = v5, .properties = expiry(60)});
  ann.answers();
  ann.close();
  wait(61);
  Client bob(*broker_, 2);
  connect_as(bob, "bob", kept_);
  EXPECT_EQ(bob.answers(), connack_v311);
  bob.close();
  expect_refused("ann", v5);
}

TEST_F(SessionOwnerTest, UserComesBackToTheirOwn) {
  Client first(*broker_, 1);
  connect_as(first, "ann");
  ASSERT_EQ(first.answers(), connack_v311);
  Client second(*broker_, 2);
  EXPECT_EQ(connect_as(second, "ann"), Next::take_over);
  EXPECT_EQ(second.session.displaced(), first.ref);
}

}  // namespace
}  // namespace rowgate::broker
