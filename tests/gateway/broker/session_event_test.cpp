#include "gateway/broker/session_event.hpp"

#include <gtest/gtest.h>

namespace rowgate::broker {
namespace {

using namespace std::string_literals;
using mqtt::QoS;

std::string bytes_of(const SessionEvent& event) {
  std::string out;
  encode(event, out);
  return out;
}

std::vector<SessionEvent> examples() {
  const WillView will{"will/topic", "gone", "props", QoS::exactly_once, true, 30};
  const MessageView message{"a/b", "payload", "p", QoS::at_least_once, true, Timestamp{5}};
  return {event::Began{"c", true, 60, will, "ann"},
          event::Began{"c", false, 0, std::nullopt},
          event::Left{"c", {123456}, 7, true},
          event::WillDone{"c"},
          event::Ended{"c"},
          event::Subscribed{"c", "$share/g/a/#", {QoS::exactly_once, true, true, 77}},
          event::Unsubscribed{"c", "a/+"},
          event::Queued{"c", QoS::at_least_once, 9, message},
          event::Assigned{"c", 1ULL << 40, 65535, "$share/g/a/#"},
          event::Dropped{"c", 17, {}},
          event::Received{"c", 3},
          event::Done{"c", 4},
          event::Returned{"c", 5},
          event::Published{message}};
}

TEST(SessionEvent, ComesBackAsItWas) {
  for (const SessionEvent& event : examples()) {
    const std::string bytes = bytes_of(event);
    const auto decoded = decode_event(bytes);
    ASSERT_TRUE(decoded) << event.index();
    EXPECT_EQ(decoded->index(), event.index());
    EXPECT_EQ(bytes_of(*decoded), bytes) << event.index();
  }
}

TEST(SessionEvent, KeepsEachFieldInItsPlace) {
  const std::string bytes = bytes_of(examples()[0]);
  const auto decoded = decode_event(bytes);
  ASSERT_TRUE(decoded);
  const auto& began = std::get<event::Began>(*decoded);
  EXPECT_EQ(began.client_id, "c");
  EXPECT_EQ(began.user, "ann");
  EXPECT_TRUE(began.anew);
  EXPECT_EQ(began.expiry, 60U);
  ASSERT_TRUE(began.will);
  EXPECT_EQ(began.will->topic, "will/topic");
  EXPECT_EQ(began.will->payload, "gone");
  EXPECT_EQ(began.will->properties, "props");
  EXPECT_EQ(began.will->qos, QoS::exactly_once);
  EXPECT_TRUE(began.will->retain);
  EXPECT_EQ(began.will->delay, 30U);
}

// The bytes are in journals on disk: whoever changes them must make a version of them.
TEST(SessionEvent, HasBytesThatDoNotChange) {
  EXPECT_EQ(bytes_of(event::Began{"c", true, 60, {}, "ann"}),
            "\x01\x01\0c\x03\0ann\x01\x3c\0\0\0"s);
  EXPECT_EQ(bytes_of(event::Subscribed{"c", "a/#", {QoS::at_least_once, false, true, 2}}),
            "\x05\x01\0c\x03\0a/#\x01\x02\x02\0\0\0"s);
  EXPECT_EQ(bytes_of(event::Assigned{"c", 258, 3, {}}),
            "\x08\x01\0c\x02\x01\0\0\0\0\0\0\x03\0\0\0"s);
}

TEST(SessionEvent, IsRefusedWhenCutShortOrLonger) {
  for (const SessionEvent& event : examples()) {
    const std::string bytes = bytes_of(event);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      EXPECT_FALSE(decode_event(std::string_view(bytes).substr(0, n))) << event.index() << " " << n;
    }
    EXPECT_FALSE(decode_event(bytes + "x")) << event.index();
  }
}

TEST(SessionEvent, IsRefusedWhereAValueIsUnknown) {
  std::string bytes = bytes_of(event::Ended{"c"});
  bytes[0] = 14;
  EXPECT_FALSE(decode_event(bytes));
  bytes[0] = 0;
  EXPECT_FALSE(decode_event(bytes));
  std::string subscribed = bytes_of(event::Subscribed{"c", "a", {}});
  subscribed[7] = 3;  // QoS
  EXPECT_FALSE(decode_event(subscribed));
}

}  // namespace
}  // namespace rowgate::broker
