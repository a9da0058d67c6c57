// The journal is full: who is held, who is told, and that a PINGREQ behind it is answered.
#include "tests/gateway/broker/session_fixture.hpp"

namespace rowgate::broker {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using mqtt::QoS;
using mqtt::Version;
using Next = Session::Next;

class SessionFullTest : public SessionTest {
 protected:
  /// A journal that can be filled.
  void small_journal() {
    options_.max_bytes = 4U << 20;
    restart();
  }
  template <class Append>
  void until_full(Append append) {
    const auto full = [&] {
      const Result<storage::Appended, storage::AppendError> appended = append();
      return !appended && appended.error() == storage::AppendError::full;
    };
    while (!full() || journal_->durable() < journal_->appended()) std::this_thread::yield();
  }
  /// No publish goes in, until trim().
  void take_all_room() {
    storage::PublishRecord filler;
    filler.client_id = "filler";
    filler.qos = 1;
    for (const std::size_t size : {10'000U, 0U}) {
      const std::string payload(size, 'x');
      filler.payload = payload;
      until_full([&] { return journal_->append(filler); });
    }
  }
  /// Nor what publishes leave to sessions.
  void take_the_reserve() {
    for (const std::size_t size : {5'000U, 1U}) {
      std::string event;
      encode(event::Ended{std::string(size, 'n')}, event);
      until_full([&] { return journal_->append_event(event); });
    }
  }
  /// Of a client whose CONNECT is not so small that it finds room all the same.
  const std::string long_id = std::string(200, 'c');
  const std::string keep_it = "\x11\0\0\0\x64"s;  // Session Expiry Interval
};

TEST_F(SessionFullTest, EverybodyIsHeldUnlessTheConfigurationSaysOtherwise) {
  small_journal();
  Client old = connected("old", {}, 1);
  Client young = connected("young", {.version = Version::v5}, 2);
  take_all_room();
  for (Client* client : {&old, &young}) {
    const Version version = client == &old ? Version::v311 : Version::v5;
    EXPECT_EQ(client->send(publish(version, "a", "x", QoS::at_least_once, 1)), Next::stall);
    client->ticks += 24h;
    EXPECT_EQ(client->send(std::string(client->rest)), Next::stall);
    EXPECT_EQ(client->out, "");
  }
}

TEST_F(SessionFullTest, AClientThatCanBeToldIsToldOnceItHasWaited) {
  limits_.max_journal_wait = 2s;
  small_journal();
  Client old = connected("old", {}, 1);
  Client young = connected("young", {.version = Version::v5}, 2);
  take_all_room();
  EXPECT_EQ(old.send(publish(Version::v311, "a", "x", QoS::at_least_once, 1)), Next::stall);
  EXPECT_EQ(young.send(publish(Version::v5, "a", "x", QoS::at_least_once, 1)), Next::stall);
  old.ticks += 1h;
  EXPECT_EQ(old.send(std::string(old.rest)), Next::stall) << "it cannot be told";
  young.ticks += 1999ms;
  EXPECT_EQ(young.send(std::string(young.rest)), Next::stall);
  young.ticks += 1ms;
  EXPECT_EQ(young.send(std::string(young.rest)), Next::read);
  EXPECT_EQ(young.answers(), "\x40\x03\x00\x01\x97"s);
  EXPECT_EQ(young.send(publish(Version::v5, "a", "x", QoS::exactly_once, 2)), Next::read)
      << "it need not wait again";
  EXPECT_EQ(young.answers(), "\x50\x03\x00\x02\x97"s);
  EXPECT_EQ(broker_->counters.quota_exceeded.load(), 2U);

  dispatch();
  journal_->trim(journal_->durable());
  EXPECT_EQ(young.send(publish(Version::v5, "a", "x", QoS::exactly_once, 2)), Next::read);
  EXPECT_EQ(young.answers().substr(0, 1), "\x50"s);
  take_all_room();
  EXPECT_EQ(young.send(publish(Version::v5, "a", "x", QoS::at_least_once, 3)), Next::stall)
      << "a new wait";
}

TEST_F(SessionFullTest, WhatWasBegunGoesOn) {
  small_journal();
  Client old = connected("old", {.clean = false}, 1);
  Client young = connected("young", {.version = Version::v5, .properties = keep_it}, 2);
  const std::string pubrec = "\x50\x02\x00\x01"s, pubrel = "\x62\x02\x00\x01"s,
                    pubcomp = "\x70\x02\x00\x01"s;
  for (Client* client : {&old, &young}) {
    const Version version = client == &old ? Version::v311 : Version::v5;
    client->send(publish(version, "a", "x", QoS::exactly_once, 1));
    EXPECT_EQ(client->answers(), pubrec);
  }
  take_all_room();
  for (Client* client : {&old, &young}) {
    const Version version = client == &old ? Version::v311 : Version::v5;
    EXPECT_EQ(client->send(pubrel), Next::read);
    EXPECT_EQ(client->answers(), pubcomp);
    EXPECT_EQ(client->send(publish(version, "a", "y", QoS::exactly_once, 1)), Next::stall);
  }
  Client late(*broker_, 3);
  late.send(connect(long_id, {.version = Version::v5, .properties = keep_it}));
  EXPECT_FALSE(late.answers().empty()) << "a session begins";
  late.send(subscribe(Version::v5, 1, "b", 1));
  EXPECT_EQ(late.answers(), suback(Version::v5, 1, "\1"s));

  dispatch();
  journal_->trim(journal_->durable());
  for (Client* client : {&old, &young}) {
    EXPECT_EQ(client->send(std::string(client->rest)), Next::read);
    EXPECT_EQ(client->answers(), pubrec) << "taken now";
  }
}

TEST_F(SessionFullTest, AWillWaitsForRoomAndTheNextConnectForTheWill) {
  small_journal();
  ConnectOptions with_will;
  with_will.will = WillOptions{"will", "gone", QoS::at_least_once, false, {}};
  Client client = connected("sensor", with_will);
  take_all_room();
  client.close();
  Client again(*broker_, 2);
  EXPECT_EQ(again.send(connect("sensor")), Next::stall);
  EXPECT_EQ(broker_->counters.wills.load(), 0U);
  dispatch();
  journal_->trim(journal_->durable());
  EXPECT_EQ(again.answers(), "\x20\x02\x00\x00"s);
  EXPECT_EQ(broker_->counters.wills.load(), 1U);
}

TEST_F(SessionFullTest, AConnectWithASessionIsHeldUnlessTheConfigurationSaysOtherwise) {
  small_journal();
  take_all_room();
  take_the_reserve();
  Client client(*broker_, 1);
  EXPECT_EQ(client.send(connect(long_id, {.version = Version::v5, .properties = keep_it})),
            Next::stall);
  client.ticks += 24h;
  EXPECT_EQ(client.send(""), Next::stall);
  EXPECT_EQ(client.out, "");
  Client plain(*broker_, 2);
  EXPECT_EQ(plain.send(connect(long_id + "2", {.version = Version::v5})), Next::read)
      << "its session needs no record";
}

TEST_F(SessionFullTest, AConnectWithASessionIsToldOnceItHasWaited) {
  limits_.max_journal_wait = 2s;
  small_journal();
  take_all_room();
  take_the_reserve();
  for (const Version version : {Version::v311, Version::v5}) {
    const bool young = version == Version::v5;
    Client client(*broker_, 1);
    EXPECT_EQ(client.send(connect(long_id, {.version = version,
                                            .clean = false,
                                            .properties = young ? keep_it : std::string()})),
              Next::stall);
    client.ticks += 1999ms;
    EXPECT_EQ(client.send(""), Next::stall);
    client.ticks += 1ms;
    EXPECT_EQ(client.send(""), Next::close);
    EXPECT_EQ(client.out, young ? "\x20\x03\x00\x97\x00"s : "\x20\x02\x00\x03"s);
    client.close();
  }
  EXPECT_EQ(broker_->counters.refused.load(), 2U);

  dispatch();
  journal_->trim(journal_->durable());
  Client again(*broker_, 1);
  again.send(connect(long_id, {.clean = false}));
  EXPECT_EQ(again.answers(), "\x20\x02\x00\x00"s) << "no session was left behind";
}

TEST_F(SessionFullTest, ADueWillThatFindsTheJournalBusyIsNotToldThatItIsFull) {
  limits_.max_journal_wait = 2s;
  {
    ConnectOptions with_will;
    with_will.will = WillOptions{"will", "gone", QoS::at_least_once, false, {}};
    connected("sensor", with_will);
  }
  restart(false);  // the gateway was killed; nobody commits
  for (const std::size_t size : {10'000U, 1U}) {
    std::string event;
    encode(event::Ended{std::string(size, 'n')}, event);
    while (journal_->append_event(event)) {
    }
  }
  Client again(*broker_, 1);
  EXPECT_EQ(again.send(connect("sensor", {.version = Version::v5})), Next::stall);
  again.ticks += 1h;
  EXPECT_EQ(again.send(""), Next::stall);
  EXPECT_EQ(again.out, "");
  journal_->start([](storage::Position) {}, [](const std::string&) {});
  const std::string answer = again.answers();
  ASSERT_GE(answer.size(), 4U) << "it is let in";
  EXPECT_EQ(answer[0], '\x20');
  EXPECT_EQ(answer[3], '\0');
  EXPECT_EQ(broker_->counters.wills.load(), 1U);
}

TEST_F(SessionFullTest, ADueWillThatFindsTheJournalStoppedIsTold) {
  {
    ConnectOptions with_will;
    with_will.will = WillOptions{"will", "gone", QoS::at_least_once, false, {}};
    connected("sensor", with_will);
  }
  restart(false);
  journal_->stop();
  Client again(*broker_, 1);
  EXPECT_EQ(again.send(connect("sensor", {.version = Version::v5})), Next::close);
  EXPECT_EQ(again.out, "\x20\x03\x00\x88\x00"s);
}

TEST_F(SessionFullTest, APingBehindWhatIsHeldIsAnsweredAndTakenOut) {
  small_journal();
  Client client = connected("c");
  take_all_room();
  const std::string held = publish(Version::v311, "a", "x", QoS::at_least_once, 1);
  const std::string more = publish(Version::v311, "a", "y", QoS::at_least_once, 2);
  std::string bytes = held + "\xC0\0"s + more + "\xC0\0\xC0\0"s + "\x30"s;
  std::size_t looked = 0;
  std::string out;
  client.session.answer_pings(bytes, looked, out);
  EXPECT_EQ(out, "\xD0\0\xD0\0\xD0\0"s);
  EXPECT_EQ(bytes, held + more + "\x30"s) << "the rest, half a packet included, is as it was";
  bytes.pop_back();
  bytes += "\xC0"s;
  client.session.answer_pings(bytes, looked, out);
  bytes += "\0"s;
  client.session.answer_pings(bytes, looked, out);
  EXPECT_EQ(out, "\xD0\0\xD0\0\xD0\0\xD0\0"s);
  EXPECT_EQ(bytes, held + more);
}

}  // namespace
}  // namespace rowgate::broker
