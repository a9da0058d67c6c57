#include "gateway/broker/presence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "tests/gateway/broker/journal_on_memory.hpp"
#include "tests/support/manual_clock.hpp"

namespace rowgate::broker {
namespace {

using What = PresenceEvent::What;

std::shared_ptr<const schema::Catalog> mapped() {
  const auto parsed = schema::parse_mapping_file(R"(
[[mapping]]
name = "presence"
event = "presence"
table = "p"
columns = "auto"
)",
                                                 2);
  if (!parsed) throw std::runtime_error(schema::format_errors("m.toml", parsed.error()));
  return *parsed;
}

struct presence : testing::Test {
  struct Row {
    std::string topic, payload;
  };
  std::vector<Row> recorded() {
    std::vector<Row> rows;
    on.each([&](const storage::RecordView& record) {
      if (record.type != storage::RecordType::publish) return;
      rows.push_back({std::string(record.publish.topic), std::string(record.publish.payload)});
      EXPECT_EQ(record.publish.lane, storage::lane_of(record.publish.client_id, 4));
      EXPECT_EQ(record.publish.received_at, clock.now());
      EXPECT_TRUE(catalog.get()->index.matches(record.publish.topic));
    });
    return rows;
  }

  JournalOnMemory on{16U << 10};
  LiveCatalog catalog{mapped()};
  Ledger ledger{2, 4};
  test::ManualClock clock;
  Presence presence_{*on.journal, catalog, ledger, 1, clock};
};

TEST_F(presence, becomes_a_publish_of_the_clients_lane) {
  presence_.record({.what = What::connected,
                    .client_id = "esp-7",
                    .user = "plant",
                    .address = "192.0.2.7",
                    .protocol = mqtt::Version::v5,
                    .clean_start = false,
                    .session_present = true});
  presence_.record({.what = What::disconnected,
                    .client_id = "esp-7",
                    .protocol = mqtt::Version::v311,
                    .reason = reason_name(mqtt::ReasonCode::keep_alive_timeout)});
  presence_.record({.what = What::will, .client_id = "esp-7", .topic = "gone/\"7\""});
  presence_.record({.what = What::taken_over,
                    .client_id = "esp-7",
                    .reason = reason_name(mqtt::ReasonCode::session_taken_over)});
  const auto rows = recorded();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].topic, "$presence/esp-7");
  EXPECT_EQ(rows[0].payload,
            R"({"event":"connected","client_id":"esp-7","user":"plant","address":"192.0.2.7",)"
            R"("protocol":"5.0","clean_start":false,"session_present":true})");
  EXPECT_EQ(rows[1].payload,
            R"({"event":"disconnected","client_id":"esp-7","user":null,"address":null,)"
            R"("protocol":"3.1.1","reason":"keep_alive_timeout"})");
  EXPECT_EQ(rows[2].payload, R"({"event":"will","client_id":"esp-7","user":null,"address":null,)"
                             R"("protocol":null,"topic":"gone/\"7\""})");
  EXPECT_THAT(rows[3].payload, testing::HasSubstr(R"("reason":"session_taken_over")"));
  EXPECT_EQ(ledger.counts(storage::lane_of("esp-7", 4)).received, 4U);
}

TEST_F(presence, is_recorded_only_while_a_mapping_asks_for_it) {
  catalog.set(schema::built_in_catalog());
  presence_.record({.client_id = "a"});
  catalog.set(mapped());
  presence_.record({.client_id = "b"});
  const auto rows = recorded();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].topic, "$presence/b");
}

TEST_F(presence, writes_a_client_id_as_a_topic_name_may_be) {
  presence_.record({.client_id = "a/+#"});
  const auto rows = recorded();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].topic, "$presence/a/%2B%23");
  EXPECT_THAT(rows[0].payload, testing::HasSubstr(R"("client_id":"a/+#")"));
}

TEST_F(presence, is_not_lost_while_the_journal_is_busy) {
  ASSERT_GT(on.fill(), 0);
  for (int i = 0; i < 100; ++i) {
    const std::string client = "c" + std::to_string(i);
    presence_.record({.client_id = client});
  }
  EXPECT_EQ(presence_.recorded(), 0U);
  on.start();
  while (presence_.recorded() < 100) presence_.retry();
  const auto rows = recorded();
  ASSERT_EQ(rows.size(), 100U);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(rows[static_cast<std::size_t>(i)].topic, "$presence/c" + std::to_string(i));
  EXPECT_EQ(presence_.given_up(), 0U);
}

TEST(reason_name, is_the_specifications_and_normal_for_a_plain_disconnect) {
  EXPECT_EQ(reason_name(mqtt::ReasonCode::success), "normal");
  EXPECT_EQ(reason_name(mqtt::ReasonCode::disconnect_with_will), "with_will");
  EXPECT_EQ(reason_name(mqtt::ReasonCode::server_shutting_down), "server_shutting_down");
  EXPECT_EQ(reason_name(static_cast<mqtt::ReasonCode>(0xF0)), "unspecified_error");
}

}  // namespace
}  // namespace rowgate::broker
