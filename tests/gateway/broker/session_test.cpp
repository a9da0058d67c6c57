#include "gateway/broker/session.hpp"

#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using Next = Session::Next;

TEST_F(SessionTest, AnswersConnect) {
  Client c(*broker_, 1);
  EXPECT_EQ(c.send(connect("sensor")), Next::read);
  EXPECT_EQ(c.answers(), connack_v311);
}

TEST_F(SessionTest, ClosesWhenTheFirstPacketIsNotConnect) {
  Client c(*broker_, 1);
  EXPECT_EQ(c.send("\xC0\0"s), Next::close);
  EXPECT_EQ(c.answers(), "");
}

TEST_F(SessionTest, ClosesOnASecondConnect) {
  Client c = connected("sensor");
  EXPECT_EQ(c.send(connect("sensor")), Next::close);
}

TEST_F(SessionTest, AcknowledgesQos1OnlyWhenTheRecordIsDurable) {
  restart(false);  // nothing is committed until start()
  Client c(*broker_, 1);
  c.send(connect("sensor"));
  EXPECT_EQ(std::exchange(c.out, {}), connack_v311);
  EXPECT_EQ(c.send(publish(Version::v311, "a", "1", QoS::at_least_once, 7)), Next::read);
  c.acks.release(journal_->durable(),
                 [&](const PendingAck& a) { c.session.acknowledge(a, c.out); });
  EXPECT_EQ(c.out, "");
  EXPECT_EQ(c.acks.size(), 1U);
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  EXPECT_EQ(c.answers(), ack(PacketType::puback, 7));
}

TEST_F(SessionTest, AcknowledgesInTheOrderOfThePublishes) {
  Client c = connected("sensor");
  std::string sent, expected;
  for (std::uint16_t id = 1; id <= 100; ++id) {
    sent += publish(Version::v311, "a", "x", QoS::at_least_once, id);
    expected += ack(PacketType::puback, id);
  }
  EXPECT_EQ(c.send(sent), Next::read);
  EXPECT_EQ(c.consumed, sent.size());
  EXPECT_EQ(c.answers(), expected);
  EXPECT_EQ(received(), 100U);
}

TEST_F(SessionTest, KeepsAnIncompletePacketForLater) {
  Client c = connected("sensor");
  const std::string sent = publish(Version::v311, "a", "payload", QoS::at_least_once, 1);
  EXPECT_EQ(c.send(std::string_view(sent).substr(0, 5)), Next::read);
  EXPECT_EQ(c.consumed, 0U);
  EXPECT_EQ(c.send(sent), Next::read);
  EXPECT_EQ(c.answers(), ack(PacketType::puback, 1));
}

TEST_F(SessionTest, TakesAQos2PublishSentTwiceOnce) {
  Client c = connected("sensor");
  const std::string sent = publish(Version::v311, "a", "1", QoS::exactly_once, 5);
  c.send(sent + sent);
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5) + ack(PacketType::pubrec, 5));
  EXPECT_EQ(received(), 1U);
  c.send(ack(PacketType::pubrel, 5));
  EXPECT_EQ(c.answers(), ack(PacketType::pubcomp, 5));
  c.send(sent);
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  EXPECT_EQ(received(), 2U);  // released: the id names a new message
}

TEST_F(SessionTest, RemembersOpenQos2IdsOverARestart) {
  {
    Client c = connected("sensor", {.clean = false});
    c.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
    EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  }
  restart();
  Client c(*broker_, 2);
  c.send(connect("sensor", {.clean = false}));
  EXPECT_EQ(c.answers(), connack_v311_present);
  const auto before = received();
  c.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  EXPECT_EQ(received(), before);
}

TEST_F(SessionTest, ForgetsOpenQos2IdsWithTheSession) {
  {
    Client c = connected("sensor");  // clean session: it ends with the connection
    c.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
    c.answers();
    c.close();
  }
  EXPECT_FALSE(journal_->has_open("sensor"));
  Client c = connected("sensor", {.clean = false}, 2);
  c.send(publish(Version::v311, "a", "2", QoS::exactly_once, 5));
  c.answers();
  EXPECT_EQ(received(), 2U);
}

TEST_F(SessionTest, StartsCleanWhenAsked) {
  Client first = connected("sensor", {.clean = false});
  first.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
  first.answers();
  first.close();
  Client second(*broker_, 2);
  second.send(connect("sensor", {.clean = true}));
  EXPECT_EQ(second.answers(), connack_v311);
  EXPECT_FALSE(journal_->has_open("sensor"));
}

TEST_F(SessionTest, TellsA5ClientThatAReleasedIdIsUnknown) {
  Client c = connected("sensor", {.version = Version::v5});
  c.send(ack(PacketType::pubrel, 9, ReasonCode::success, Version::v5));
  EXPECT_EQ(c.answers(),
            ack(PacketType::pubcomp, 9, ReasonCode::packet_identifier_not_found, Version::v5));
}

TEST_F(SessionTest, AnnouncesItsLimitsTo5Clients) {
  Client c(*broker_, 1);
  c.send(connect("", {.version = Version::v5}));
  const std::string answer = c.answers();
  EXPECT_EQ(answer[0], '\x20');
  EXPECT_NE(answer.find("\x21\x04\x00"s), std::string::npos);  // Receive Maximum 1024
  EXPECT_NE(answer.find("rowgate-"), std::string::npos);       // Assigned Client Identifier
}

TEST_F(SessionTest, DisconnectsWhenTheReceiveMaximumIsExceeded) {
  limits_.receive_maximum = 2;
  restart();
  Client c = connected("sensor", {.version = Version::v5});
  std::string sent;
  for (std::uint16_t id = 1; id <= 3; ++id) {
    sent += publish(Version::v5, "a", "x", QoS::at_least_once, id);
  }
  EXPECT_EQ(c.send(sent), Next::close);
  EXPECT_EQ(c.out.substr(0, 3), "\xE0\x01\x93"s);
}

TEST_F(SessionTest, FreesTheReceiveMaximumWithEachAcknowledgement) {
  limits_.receive_maximum = 1;
  restart();
  Client c = connected("sensor", {.version = Version::v5});
  for (std::uint16_t id = 1; id <= 5; ++id) {
    ASSERT_EQ(c.send(publish(Version::v5, "a", "x", QoS::exactly_once, id)), Next::read);
    c.answers();
    ASSERT_EQ(c.send(ack(PacketType::pubrel, id)), Next::read);
    EXPECT_EQ(c.answers(), ack(PacketType::pubcomp, id));
  }
}

TEST_F(SessionTest, ResolvesTopicAliases) {
  Client c = connected("sensor", {.version = Version::v5});
  const std::string alias = "\x23\0\x01"s;
  EXPECT_EQ(c.send(publish(Version::v5, "site/1", "x", QoS::at_least_once, 1, alias)), Next::read);
  EXPECT_EQ(c.send(publish(Version::v5, "", "y", QoS::at_least_once, 2, alias)), Next::read);
  EXPECT_EQ(received(), 2U);
  EXPECT_EQ(c.send(publish(Version::v5, "", "y", QoS::at_least_once, 3, "\x23\0\x02"s)),
            Next::close);
  EXPECT_EQ(c.answers().substr(0, 3), "\xE0\x01\x82"s);
}

TEST_F(SessionTest, RefusesAnAliasAboveTheMaximum) {
  Client c = connected("sensor", {.version = Version::v5});
  EXPECT_EQ(c.send(publish(Version::v5, "a", "x", QoS::at_most_once, 0, "\x23\xFF\xFF"s)),
            Next::close);
  EXPECT_EQ(c.out.substr(0, 3), "\xE0\x01\x94"s);
}

TEST_F(SessionTest, WaitsForTheDisplacedConnectionToLeave) {
  Client first = connected("sensor", {.clean = false});
  Client second(*broker_, 2);
  EXPECT_EQ(second.send(connect("sensor", {.clean = false})), Next::take_over);
  EXPECT_EQ(second.session.displaced(), (ConnectionRef{0, 1, 1}));
  EXPECT_EQ(second.out, "");
  first.close();
  second.send("");
  EXPECT_EQ(second.answers(), connack_v311_present);
}

TEST_F(SessionTest, ASessionTakenOverFromACleanOneIsNew) {
  Client first = connected("sensor");
  Client second(*broker_, 2);
  second.send(connect("sensor", {.clean = false}));
  first.close();
  second.send("");
  EXPECT_EQ(second.answers(), connack_v311);
}

TEST_F(SessionTest, ForgetsASessionWhenItsExpiryHasPassed) {
  Client c = connected("sensor", {.version = Version::v5, .properties = expiry(60)});
  c.send(publish(Version::v5, "a", "1", QoS::exactly_once, 5));
  c.answers();
  EXPECT_EQ(broker_->counters.kept_sessions.load(), 1U);
  c.close();
  wait(59);
  EXPECT_TRUE(journal_->has_open("sensor"));
  EXPECT_EQ(dispatch_counters_->sessions.load(), 1U);
  wait(61);
  EXPECT_FALSE(journal_->has_open("sensor"));
  EXPECT_EQ(dispatch_counters_->sessions.load(), 0U);
  EXPECT_EQ(broker_->counters.kept_sessions.load(), 0U);
  wait(63);  // the end has taken effect
  EXPECT_EQ(broker_->registry.size(), 0U);
}

TEST_F(SessionTest, ClosesASilentClientAfterOneAndAHalfKeepAlives) {
  Client c = connected("sensor", {.version = Version::v5, .keep_alive = 10});
  EXPECT_EQ(c.tick(std::chrono::seconds(14)), Next::read);
  EXPECT_EQ(c.tick(std::chrono::seconds(15)), Next::close);
  EXPECT_EQ(c.out, "\xE0\x01\x8D"s);
}

TEST_F(SessionTest, DoesNotBlameAClientForSilenceOfOurOwn) {
  Client c = connected("sensor", {.keep_alive = 10});
  EXPECT_EQ(c.tick(std::chrono::seconds(100), true), Next::read);
  EXPECT_EQ(c.tick(std::chrono::seconds(114)), Next::read);
}

TEST_F(SessionTest, ClosesAConnectionThatNeverConnects) {
  Client c(*broker_, 1);
  EXPECT_EQ(c.tick(std::chrono::seconds(9)), Next::read);
  EXPECT_EQ(c.tick(std::chrono::seconds(10)), Next::close);
}

TEST_F(SessionTest, StallsInFrontOfThePublishThatFindsNoRoom) {
  restart(false);
  Client c(*broker_, 1);
  c.send(connect("sensor"));
  const std::string one =
      publish(Version::v311, "a", std::string(100'000, 'x'), QoS::at_least_once, 1);
  EXPECT_EQ(c.send(one + one + one + one), Next::stall);
  const std::size_t kept = c.consumed;
  EXPECT_EQ(kept % one.size(), 0U);
  EXPECT_LT(kept, 4 * one.size());
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  c.out.clear();
  EXPECT_NE(c.answers(), "");
  EXPECT_FALSE(c.stalled);
}

TEST_F(SessionTest, RejectsUnmappedTopicsWhenAsked) {
  auto catalog = std::make_shared<schema::Catalog>();
  catalog->generation = 2;
  catalog->index.add("known/#", 0);
  catalog->mappings.resize(1);
  catalog_.set(catalog);
  limits_.reject_unmapped = true;
  restart();
  Client five = connected("five", {.version = Version::v5});
  EXPECT_EQ(five.send(publish(Version::v5, "known/1", "x", QoS::at_least_once, 1)), Next::read);
  EXPECT_EQ(five.send(publish(Version::v5, "other", "x", QoS::at_least_once, 2)), Next::read);
  EXPECT_EQ(five.answers(),
            ack(PacketType::puback, 1, ReasonCode::success, Version::v5) +
                ack(PacketType::puback, 2, ReasonCode::topic_name_invalid, Version::v5));
  Client three = connected("three", {}, 2);
  EXPECT_EQ(three.send(publish(Version::v311, "other", "x", QoS::at_least_once, 2)), Next::close);
}

TEST_F(SessionTest, ACleanSessionsPacketIdsDoNotOutliveTheGateway) {
  {
    Client c = connected("sensor");
    c.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
    EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  }
  restart();  // as after kill -9: the connection was never closed
  Client c(*broker_, 2);
  c.send(connect("sensor", {.clean = false}));
  EXPECT_EQ(c.answers(), connack_v311);
  c.send(publish(Version::v311, "a", "2", QoS::exactly_once, 5));
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  EXPECT_EQ(received(), 2U);
}

TEST_F(SessionTest, ASessionResumedWithoutExpiryKnowsItsOpenPacketIds) {
  {
    Client c = connected("sensor", {Version::v5, false, 0, expiry(60)});
    c.send(publish(Version::v5, "a", "1", QoS::exactly_once, 5));
    c.answers();
  }
  restart();
  Client c = connected("sensor", {.version = Version::v5, .clean = false}, 2);
  c.send(publish(Version::v5, "a", "1", QoS::exactly_once, 5));
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
  EXPECT_EQ(received(), 1U);
  c.send(ack(PacketType::pubrel, 5));
  EXPECT_EQ(c.answers(), ack(PacketType::pubcomp, 5));
}

// Otherwise a crash could bring an id back to life that the client was told is free.
TEST_F(SessionTest, StartsAnewOnlyWhenTheEndOfTheOldSessionIsDurable) {
  {
    Client first = connected("sensor", {.clean = false});
    first.send(subscribe(Version::v311, 1, "a", 1) +
               publish(Version::v311, "a", "1", QoS::exactly_once, 5));
    first.answers();
  }
  restart(false);
  Client second(*broker_, 2);
  EXPECT_EQ(second.send(connect("sensor")), Next::stall);
  EXPECT_EQ(second.out, "");
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  EXPECT_EQ(second.answers(), connack_v311);
}

TEST_F(SessionTest, ASessionEndedByAConnectionThatLeftBeforeItsAnswerStaysEnded) {
  {
    Client first = connected("sensor", {.clean = false});
    first.send(publish(Version::v311, "a", "1", QoS::exactly_once, 5));
    first.answers();
  }
  restart(false);
  Client second(*broker_, 2);
  EXPECT_EQ(second.send(connect("sensor")), Next::stall);
  second.close();
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  dispatch();
  Client third(*broker_, 3);
  third.send(connect("sensor", {.clean = false}));
  EXPECT_EQ(third.answers(), connack_v311);
}

TEST_F(SessionTest, AConnectThatTricklesInDoesNotEscapeItsTimeOut) {
  Client c(*broker_, 1);
  for (c.ticks += std::chrono::seconds(1); c.ticks.time_since_epoch() < std::chrono::seconds(10);
       c.ticks += std::chrono::seconds(1)) {
    EXPECT_EQ(c.send("\x10"), Next::read);
    EXPECT_EQ(c.tick(std::chrono::seconds(0)), Next::read);
  }
  EXPECT_EQ(c.tick(std::chrono::seconds(0)), Next::close);
}

// The id of a message that was taken must not be freed by a refusal: the next message under it
// would pass for the old one.
TEST_F(SessionTest, AcknowledgesWhatItTookAlthoughNoMappingTakesItNow) {
  const auto mapped = [](std::string_view filter, std::uint64_t generation) {
    auto catalog = std::make_shared<schema::Catalog>();
    catalog->generation = generation;
    catalog->index.add(filter, 0);
    catalog->mappings.resize(1);
    return catalog;
  };
  limits_.reject_unmapped = true;
  restart();
  std::uint32_t slot = 1;
  for (const std::string& kept : {expiry(60), ""s}) {
    catalog_.set(mapped("a", 2 * slot));
    Client c = connected("sensor" + std::to_string(slot),
                         {.version = Version::v5, .properties = kept}, slot);
    c.send(publish(Version::v5, "a", "x", QoS::exactly_once, 5));
    catalog_.set(mapped("b", 2 * slot + 1));
    c.send(publish(Version::v5, "a", "x", QoS::exactly_once, 5));
    EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5) + ack(PacketType::pubrec, 5));
    EXPECT_EQ(received(), slot);
    ++slot;
  }
}

TEST_F(SessionTest, SendsNoAnswerLargerThanTheClientTakes) {
  const auto maximum = [](std::uint32_t bytes) {
    std::string out = "\x27";
    Writer(out).be(bytes);
    return out;
  };
  Client tiny(*broker_, 1);
  EXPECT_EQ(tiny.send(connect("tiny", {.version = Version::v5, .properties = maximum(10)})),
            Next::close);
  EXPECT_EQ(tiny.answers(), "\x20\x03\0\x95\0"s);

  Client small = connected("small", {.version = Version::v5, .properties = maximum(30)}, 2);
  std::string filters;
  for (int i = 0; i < 40; ++i) filters += text("a") + '\1';
  EXPECT_EQ(small.send(packet(0x82, number16(1) + "\0"s + filters)), Next::close);
  EXPECT_EQ(small.answers(), "\xE0\x01\x95"s);
}

TEST_F(SessionTest, StallsWhileTooManyAcknowledgementsWait) {
  Client c = connected("sensor");
  const std::string sent = publish(Version::v311, "a", "1", QoS::exactly_once, 5);
  while (c.acks.size() < AckQueue::limit)
    c.acks.push({.end = journal_->durable(), .slot = 1, .generation = 1, .packet_id = 1});
  EXPECT_EQ(c.send(sent), Next::stall);
  EXPECT_EQ(c.consumed, 0U);
  c.acks.release(journal_->durable(), [](const PendingAck&) {});
  EXPECT_EQ(c.send(sent), Next::read);
  EXPECT_EQ(c.answers(), ack(PacketType::pubrec, 5));
}

TEST_F(SessionTest, APublishThatTheJournalCannotTakeEndsTheConnectionUnacknowledged) {
  Client old = connected("old");
  Client young = connected("young", {.version = Version::v5}, 2);
  journal_->stop();  // as after a failed write
  EXPECT_EQ(old.send(publish(Version::v311, "a", "x", QoS::at_least_once, 1)), Next::close);
  EXPECT_EQ(old.out, "");
  EXPECT_EQ(young.send(publish(Version::v5, "a", "x", QoS::exactly_once, 1)), Next::close);
  EXPECT_EQ(young.out, "\xE0\x01\x88"s);  // Server unavailable
}

}  // namespace
}  // namespace rowgate::broker
