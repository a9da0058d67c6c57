#include "gateway/broker/receipts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/broker/session_event.hpp"
#include "gateway/mqtt/properties.hpp"
#include "tests/gateway/broker/journal_on_memory.hpp"

namespace rowgate::broker {
namespace {

using testing::ElementsAre;

std::string text(std::string_view s) {
  std::string out;
  out += static_cast<char>(s.size() >> 8);
  out += static_cast<char>(s.size() & 0xFF);
  return out.append(s);
}
std::string asks(std::string_view what = "commit") {
  return "\x26" + text("rowgate-receipt") + text(what);
}
std::string answer_to(std::string_view topic) {
  return "\x08" + text(topic);
}
std::string correlation(std::string_view bytes) {
  return "\x09" + text(bytes);
}

schema::Message message(std::string_view properties, std::uint8_t qos = 1) {
  schema::Message m;
  m.topic = "hall/3/\"temp\"";
  m.client_id = "c";
  m.payload = "21";
  m.properties = properties;
  m.qos = qos;
  return m;
}

struct Told {
  std::string topic, payload, correlation, state;
  int qos = 0;
};

std::vector<Told> told(JournalOnMemory& on) {
  std::vector<Told> all;
  on.each([&](const storage::RecordView& record) {
    if (record.type != storage::RecordType::event) return;
    const auto event = decode_event(record.event);
    if (!event || !std::holds_alternative<event::Published>(*event)) return;
    const MessageView& m = std::get<event::Published>(*event).message;
    EXPECT_TRUE(mqtt::decode_property_block(m.properties, mqtt::PropertySet::publish));
    EXPECT_TRUE(mqtt::payload_is_as_indicated(m.properties, m.payload));
    EXPECT_FALSE(m.retain);
    all.push_back({std::string(m.topic), std::string(m.payload),
                   std::string(mqtt::correlation_data(m.properties).value_or("none")),
                   std::string(mqtt::user_property(m.properties, "rowgate-receipt").value_or("")),
                   static_cast<int>(m.qos)});
  });
  return all;
}

TEST(receipts, are_wanted_with_a_response_topic_and_the_property) {
  EXPECT_EQ(Receipts::topic(asks() + answer_to("r/c")), "r/c");
  EXPECT_EQ(Receipts::topic(answer_to("r/c") + asks()), "r/c");
  EXPECT_EQ(Receipts::topic(""), std::nullopt);
  EXPECT_EQ(Receipts::topic(asks()), std::nullopt);
  EXPECT_EQ(Receipts::topic(answer_to("r/c")), std::nullopt);
  EXPECT_EQ(Receipts::topic(asks("arrival") + answer_to("r/c")), std::nullopt);
  EXPECT_EQ(Receipts::topic(asks() + answer_to("$SYS/x")), std::nullopt);
  EXPECT_EQ(Receipts::topic(asks() + answer_to("")), std::nullopt);
  EXPECT_EQ(Receipts::topic("\x26" + text("x") + text("rowgate-receipt") + answer_to("r")),
            std::nullopt);
}

TEST(receipts, say_what_became_of_the_message_on_its_response_topic) {
  JournalOnMemory on;
  Receipts receipts(*on.journal);
  const std::string properties = asks() + answer_to("r/c") + correlation(std::string("\0\x01", 2));
  receipts.tell(message(properties, 2), Receipts::State::stored, "", "readings");
  receipts.tell(message(properties, 0), Receipts::State::dead_letter, "column 'n': \"x\"\n", "");
  receipts.tell(message(asks() + answer_to("r/d")), Receipts::State::unmapped, "", "");
  const auto all = told(on);
  ASSERT_THAT(all, testing::SizeIs(3));
  EXPECT_EQ(all[0].topic, "r/c");
  EXPECT_EQ(all[0].correlation, std::string("\0\x01", 2));
  EXPECT_EQ(all[0].qos, 2);
  EXPECT_EQ(all[0].state, "stored");
  EXPECT_EQ(all[0].payload, R"({"state":"stored","topic":"hall/3/\"temp\"","reason":null,)"
                            R"("table":"readings"})");
  EXPECT_EQ(all[1].qos, 0);
  EXPECT_EQ(all[1].payload, R"({"state":"dead_letter","topic":"hall/3/\"temp\"",)"
                            R"("reason":"column 'n': \"x\"\u000a","table":null})");
  EXPECT_EQ(all[2].topic, "r/d");
  EXPECT_EQ(all[2].correlation, "none");
  EXPECT_EQ(all[2].state, "unmapped");
  EXPECT_EQ(receipts.told(), 3U);
}

TEST(receipts, wait_in_order_while_the_journal_is_busy) {
  JournalOnMemory on(16U << 10);
  Receipts receipts(*on.journal);
  ASSERT_GT(on.fill(), 0);
  for (const char* id : {"1", "2", "3"}) {
    receipts.tell(message(asks() + answer_to("r") + correlation(id)), Receipts::State::stored, "",
                  "");
  }
  EXPECT_EQ(receipts.told(), 0U);
  on.start();
  while (receipts.told() < 3) receipts.retry();
  std::vector<std::string> order;
  for (const Told& t : told(on)) order.push_back(t.correlation);
  EXPECT_THAT(order, ElementsAre("1", "2", "3"));
  EXPECT_EQ(receipts.given_up(), 0U);
}

TEST(receipts, are_counted_when_the_journal_has_stopped) {
  JournalOnMemory on;
  Receipts receipts(*on.journal);
  on.start();
  on.journal->stop();
  receipts.tell(message(asks() + answer_to("r")), Receipts::State::stored, "", "");
  EXPECT_EQ(receipts.given_up(), 1U);
}

}  // namespace
}  // namespace rowgate::broker
