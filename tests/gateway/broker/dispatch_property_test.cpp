// Random sessions, publishes, acknowledgements, lost connections, store commits and crashes against
// what MQTT promises: at QoS 2 each message once, at QoS 1 at least once, in order, none missing,
// under the same packet id when it is sent again.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/gateway/broker/dispatch_fixture.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketId;
using mqtt::QoS;

/// The client's end of a session: what an MQTT client keeps.
struct Subscriber5 {
  Subscriber5(std::string i, QoS q, std::string f, bool d = true)
      : id(std::move(i)), qos(q), filter(std::move(f)), durable(d) {}
  std::string id;
  QoS qos;
  std::string filter;
  bool durable;
  bool begun = false;
  bool subscribed = false;
  std::optional<ConnectionRef> connection;
  std::vector<std::string> got;               // payloads, as its application saw them
  std::size_t session_from = 0;               // of `got`, its present session's
  std::set<PacketId> unreleased;              // QoS 2: had, PUBREL not seen
  std::map<PacketId, std::string> was;        // what each id of those carried
  std::deque<std::pair<PacketId, bool>> due;  // answers not yet given; true: PUBREL was seen
};

class Property : public ::testing::TestWithParam<unsigned> {
 protected:
  Property() {
    world_.busy = [this] { return chance(20); };
  }

  bool chance(unsigned one_in) { return random_() % one_in == 0; }
  Subscriber5& any() { return clients_[random_() % clients_.size()]; }

  void tell(const Subscriber5& c, const SessionEvent& event) {
    if (c.durable) {
      world_.tell(event);
    } else {
      world_.mail(event);
    }
  }
  void connect(Subscriber5& c) {
    if (!c.begun) {
      c.begun = true;
      if (c.durable) {
        world_.tell(event::Began{c.id, true, 1000, {}});
      } else {
        world_.mail(event::Began{c.id, true, 0, {}});
      }
    }
    if (!c.subscribed) tell(c, event::Subscribed{c.id, c.filter, {.qos = c.qos}});
    c.subscribed = true;
    c.due.clear();
    c.connection = world_.attach(c.id, static_cast<std::uint16_t>(1 + random_() % 6));
  }
  void disconnect(Subscriber5& c) {
    if (!c.connection) return;
    world_.dispatch->detach({c.id, *c.connection}, world_.now);
    c.connection.reset();
    c.due.clear();
    if (c.durable) return;
    world_.mail(event::Ended{c.id});
    forget(c);
  }
  static void forget(Subscriber5& c) {
    c.begun = c.subscribed = false;
    c.unreleased.clear();
    c.was.clear();
    c.session_from = c.got.size();
  }
  void receive() {
    for (Delivery& d : world_.take_sent()) {
      for (Subscriber5& c : clients_) {
        if (c.connection == d.to) receive(c, d);
      }
    }
  }
  void receive(Subscriber5& c, const Delivery& d) {
    if (chance(30)) return disconnect(c);  // it was lost on the way, and all behind it
    if (!d.message) {
      c.unreleased.erase(d.packet_id);
      c.due.emplace_back(d.packet_id, true);
      return;
    }
    const std::string& payload = d.message->payload;
    EXPECT_EQ(d.qos, std::min(c.qos, d.message->qos));
    if (d.qos == QoS::exactly_once) {
      if (c.unreleased.insert(d.packet_id).second) {
        c.got.push_back(payload);
        c.was[d.packet_id] = payload;
      } else {
        EXPECT_TRUE(d.dup);
        EXPECT_EQ(c.was[d.packet_id], payload) << "another message under a packet id in use";
      }
    } else {
      c.got.push_back(payload);
    }
    c.due.emplace_back(d.packet_id, false);
  }
  void answer(Subscriber5& c) {
    if (!c.connection || c.due.empty()) return;
    const auto [id, released] = c.due.front();
    c.due.pop_front();
    if (c.qos == QoS::exactly_once && !released) {
      tell(c, event::Received{c.id, id});
    } else {
      tell(c, event::Done{c.id, id});
    }
  }
  void publish() {
    const auto publisher = static_cast<unsigned>(random_() % 3);
    const std::string payload =
        std::to_string(publisher) + ":" + std::to_string(++published_[publisher]);
    world_.publish("t/" + std::to_string(random_() % 3), payload, QoS::exactly_once,
                   "publisher-" + std::to_string(publisher));
  }
  void crash() {
    world_.crash(chance(2));
    for (Subscriber5& c : clients_) {
      c.connection.reset();
      c.due.clear();
      // Its Began, or its subscription alone, may have been lost.
      const bool kept =
          std::find(world_.kept.begin(), world_.kept.end(), c.id) != world_.kept.end();
      if (!c.durable || !kept) forget(c);
      c.subscribed = false;
    }
  }
  void act() {
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
        return publish();
      case 3:
        if (Subscriber5& c = any(); !c.connection) connect(c);
        return;
      case 4:
        if (chance(4)) disconnect(any());
        return;
      case 5:
        return world_.pump();
      case 6:
        if (chance(3)) world_.commit();
        return;
      case 7:
        if (chance(12)) crash();
        return;
      case 8:
      case 9:
      case 10:
        world_.step();
        return;
      case 11:
        return receive();
      default:
        return answer(any());
    }
  }
  void settle() {
    for (Subscriber5& c : clients_) {
      if (!c.connection) connect(c);
    }
    for (int quiet = 0; quiet < 20;) {
      for (int i = 0; i < 10; ++i) world_.run();
      bool busy = !world_.sent.empty();
      receive();
      for (Subscriber5& c : clients_) {
        if (!c.connection) connect(c);
        busy = busy || !c.due.empty();
        while (!c.due.empty()) answer(c);
      }
      quiet = busy ? 0 : quiet + 1;
    }
  }

  /// What is in the journal behind the client's subscription.
  std::vector<std::string> expected(const std::string& filter, const std::string& id) const {
    std::vector<std::string> payloads;
    bool subscribed = false;
    for (const auto& r : world_.journal) {
      if (!r.is_event) {
        if (subscribed) payloads.push_back(r.payload);
        continue;
      }
      const auto event = decode_event(r.event);
      if (const auto* s = std::get_if<event::Subscribed>(&*event)) {
        subscribed = subscribed || (s->filter == filter && (id.empty() || s->client_id == id));
      }
    }
    return payloads;
  }
  static std::vector<std::string> of_publisher(const std::vector<std::string>& all, char which) {
    std::vector<std::string> some;
    for (const std::string& payload : all) {
      const bool seen = std::find(some.begin(), some.end(), payload) != some.end();
      if (payload[0] == which && !seen) some.push_back(payload);
    }
    return some;
  }

  std::mt19937 random_{GetParam()};
  DispatchWorld world_{DispatchOptions{.max_in_flight = 8}};
  std::vector<Subscriber5> clients_;
  unsigned published_[3] = {};
};

TEST_P(Property, EachSubscriberGetsWhatItWasPromised) {
  clients_ = {{"exactly", QoS::exactly_once, "#"},
              {"exactly-too", QoS::exactly_once, "t/+"},
              {"at-least", QoS::at_least_once, "t/#"},
              {"passing", QoS::exactly_once, "#", false}};
  for (int i = 0; i < 3000; ++i) act();
  settle();
  for (const Subscriber5& c : clients_) {
    if (!c.durable) continue;
    SCOPED_TRACE(c.id);
    const auto wanted = expected(c.filter, c.id);
    if (c.qos == QoS::exactly_once) {
      EXPECT_EQ(c.got, wanted);
    } else {
      for (const char p : {'0', '1', '2'}) {
        EXPECT_EQ(of_publisher(c.got, p), of_publisher(wanted, p));
      }
    }
  }
  world_.run();
  EXPECT_EQ(world_.counters->queued_messages.load(), 0U);
  world_.commit();
  for (const auto& [key, value] : world_.store.values) {
    EXPECT_TRUE(key[0] == '0' || key[0] == '2' || key[0] == '3') << "left behind: " << key;
  }
}

TEST_P(Property, ASharedMessageIsCompletedByOneMember) {
  const std::string share = "$share/g/t/#";
  clients_ = {{"a", QoS::exactly_once, share},
              {"b", QoS::exactly_once, share},
              {"c", QoS::exactly_once, share},
              {"own", QoS::exactly_once, "#"}};
  for (int i = 0; i < 3000; ++i) act();
  settle();
  std::vector<std::string> got;
  for (const Subscriber5& c : clients_) {
    if (c.filter == share) got.insert(got.end(), c.got.begin(), c.got.end());
  }
  auto wanted = expected(share, "");
  std::sort(got.begin(), got.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(got, wanted);
  EXPECT_EQ(clients_[3].got, expected("#", "own"));
}

TEST_P(Property, ASharedMessageIsNotLostWithItsMember) {
  const std::string share = "$share/g/#";
  clients_ = {{"a", QoS::at_least_once, share},
              {"b", QoS::at_least_once, share},
              {"passing", QoS::at_least_once, share, false}};
  connect(clients_[0]);
  for (int i = 0; i < 3000; ++i) act();
  settle();
  std::set<std::string> got;
  for (const Subscriber5& c : clients_) got.insert(c.got.begin(), c.got.end());
  const auto list = expected(share, "");
  const std::set<std::string> wanted(list.begin(), list.end());
  EXPECT_EQ(got, wanted);
}

// Sessions of both kinds come, go and begin anew around one group. Whatever happens, nobody gets a
// message twice at QoS 2 in one session, and nothing is left when all have ended.
TEST_P(Property, NothingIsLeftWhenEverySessionHasEnded) {
  const std::string share = "$share/g/#";
  clients_ = {{"a", QoS::exactly_once, share},
              {"b", QoS::at_least_once, share},
              {"c", QoS::at_most_once, share},
              {"passing", QoS::at_least_once, share, false},
              {"brief", QoS::exactly_once, share, false},
              {"own", QoS::exactly_once, "#"}};
  const auto end = [this](Subscriber5& c) {
    disconnect(c);
    if (c.durable && c.begun) world_.tell(event::Ended{c.id});
    forget(c);
  };
  for (int i = 0; i < 4000; ++i) {
    act();
    if (chance(60)) end(any());
    if (chance(60)) {
      Subscriber5& c = any();
      if (c.begun && c.connection) tell(c, event::Unsubscribed{c.id, c.filter});
      c.subscribed = false;
    }
    for (const Subscriber5& c : clients_) {
      if (c.qos != QoS::exactly_once) continue;
      const auto from = c.got.begin() + static_cast<std::ptrdiff_t>(c.session_from);
      const std::set<std::string> different(from, c.got.end());
      ASSERT_EQ(different.size(), c.got.size() - c.session_from) << c.id;
    }
  }
  for (Subscriber5& c : clients_) end(c);
  world_.busy = [] { return false; };
  world_.run();
  EXPECT_EQ(world_.counters->queued_messages.load(), 0U);
  EXPECT_EQ(world_.counters->queued_bytes.load(), 0U);
  EXPECT_EQ(world_.counters->subscriptions.load(), 0U);
  EXPECT_EQ(world_.counters->shared_groups.load(), 0U);
  EXPECT_EQ(world_.counters->sessions.load(), 0U);
  world_.commit();
  for (const auto& [key, value] : world_.store.values) EXPECT_EQ(key, "0");
}

INSTANTIATE_TEST_SUITE_P(Seeds, Property, ::testing::Range(1U, 41U));

}  // namespace
}  // namespace rowgate::broker
