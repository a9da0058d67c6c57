// Sparkplug B: topics, documents and sessions, read as the lane reads them.
#include "schema/sparkplug.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/schema/sparkplug_lane.hpp"

namespace rowgate::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- Topics -------------------------------------------------------------------------------------

TEST(SparkplugTopic, is_told_apart) {
  const auto node = sparkplug_topic("spBv1.0/Group 1/NBIRTH/Edge");
  ASSERT_TRUE(node);
  EXPECT_EQ(sparkplug_node(*node), "Group 1/Edge");
  EXPECT_EQ(node->type, SparkplugTopic::Type::nbirth);
  EXPECT_EQ(node->device, "");
  const auto device = sparkplug_topic("spBv1.0/G/DDATA/E/D");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->device, "D");
  for (const char* other :
       {"spBv1.0/STATE/host", "spBv1.0/G/NBIRTH/E/D", "spBv1.0/G/DDATA/E", "spBv1.0/G/DDATA/E/D/x",
        "spBv1.0/G/XDATA/E", "spBv1.0//NDATA/E", "spBv1.0/G/NDATA/", "spBv1.0/G/DDATA/E/",
        "spAv1.0/G/NDATA/E", "spBv1.0", ""}) {
    EXPECT_FALSE(sparkplug_topic(other)) << other;
  }
}

// ---- The document -------------------------------------------------------------------------------

TEST(Sparkplug, a_birth_as_a_document) {
  Lane lane(whole);
  SparkplugPayload payload = nbirth(7);
  auto* properties = payload.mutable_metrics(1)->mutable_properties();
  properties->add_keys("Quality");
  auto* quality = properties->add_values();
  quality->set_type(Int32);
  quality->set_int_value(192);
  EXPECT_THAT(
      lane.map("spBv1.0/G/NBIRTH/E", payload),
      ElementsAre(
          R"({"group":"G","edge":"E","type":"NBIRTH","timestamp":1486144502122,"seq":0,"bdseq":7,)"
          R"("metrics":[{"name":"bdSeq","timestamp":1486144502122,"datatype":"UInt64","value":7},)"
          R"({"name":"Node Control/Rebirth","timestamp":1486144502122,"datatype":"Boolean",)"
          R"("value":false,"properties":{"Quality":192}}],)"
          R"("values":{"bdSeq":7,"Node Control/Rebirth":false}})"));
}

TEST(Sparkplug, a_death_that_comes_too_late_is_marked) {
  Lane lane(whole);
  SparkplugPayload death;
  Metric* bdseq = death.add_metrics();
  bdseq->set_name("bdSeq");
  bdseq->set_long_value(0);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth(1));
  EXPECT_THAT(lane.map("spBv1.0/G/NDEATH/E", death), ElementsAre(HasSubstr(R"("stale":true)")));
  EXPECT_THAT(lane.map("spBv1.0/G/NDATA/E", with_seq(1)), testing::SizeIs(1));
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty()) << "the node of bdSeq 1 lives";
  bdseq->set_long_value(1);
  EXPECT_THAT(lane.map("spBv1.0/G/NDEATH/E", death), ElementsAre(testing::Not(HasSubstr("stale"))));
  lane.map("spBv1.0/G/NDATA/E", with_seq(2));
  EXPECT_THAT(lane.sessions.rebirths(), ElementsAre("G/E")) << "it is dead";
}

TEST(Sparkplug, metrics_by_alias_have_name_and_type_of_their_birth) {
  Lane lane(narrow);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  EXPECT_THAT(lane.map("spBv1.0/G/DBIRTH/E/D", dbirth()),
              ElementsAre("D Inputs/0 Boolean true 1", "D Temperature Float 21.5 1"));
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(2, 2, 22.25F)),
              ElementsAre("D Temperature Float 22.25 2"));
  EXPECT_EQ(lane.reason, "");
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty());
  Lane other(wide);
  other.map("spBv1.0/G/NBIRTH/E", nbirth());
  other.map("spBv1.0/G/DBIRTH/E/D", dbirth());
  EXPECT_THAT(other.map("spBv1.0/G/DDATA/E/D", ddata(2, 2, 22.25F)), ElementsAre("22.25 NULL"));
}

TEST(Sparkplug, an_unknown_alias_is_a_refused_row_beside_the_others) {
  Lane lane(narrow);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth());
  SparkplugPayload payload = ddata(2, 2, 1.5F);
  add(payload, 77)->set_float_value(1);
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", payload), testing::SizeIs(1));
  EXPECT_EQ(lane.reason,
            "1 of 2 rows do not fit (the others are stored); element 1 of /metrics: alias 77 has "
            "no name: it is not in the birth of G/E/D");
  EXPECT_THAT(lane.sessions.rebirths(), ElementsAre("G/E"));
  Lane other(wide);
  EXPECT_THAT(other.map("spBv1.0/G/DDATA/E/D", payload), IsEmpty());
  EXPECT_EQ(other.reason, "alias 2 has no name: no birth of G/E/D is known");
  EXPECT_THAT(other.sessions.rebirths(), ElementsAre("G/E"));
}

TEST(Sparkplug, without_sessions_only_names_are_known) {
  auto parsed = parse_mapping_file(narrow, 1);
  ASSERT_TRUE(parsed);
  Mapper mapper(*parsed);
  BatchSet out(**parsed);
  SparkplugPayload payload = dbirth();
  add(payload, 3)->set_float_value(1);
  const std::string bytes = payload.SerializeAsString();
  Message message;
  message.topic = "spBv1.0/G/DDATA/E/D";
  message.payload = bytes;
  const Verdict verdict = mapper.map(message, 0, true, out);
  EXPECT_EQ(verdict.rows, 2U);
  EXPECT_EQ(verdict.rejects, 1U);
  EXPECT_TRUE(needs_birth(message));
  payload.mutable_metrics()->RemoveLast();
  const std::string named = payload.SerializeAsString();
  message.payload = named;
  EXPECT_FALSE(needs_birth(message));
}

TEST(Sparkplug, what_is_no_such_message_is_a_dead_letter) {
  Lane lane(narrow);
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", std::string("\xff\xff")), IsEmpty());
  EXPECT_EQ(lane.reason, "the payload is not Sparkplug B: it is no protobuf message of that kind");
  EXPECT_THAT(lane.map("spBv1.0/G/NDATA/E/D", nbirth()), IsEmpty());
  EXPECT_THAT(lane.reason, HasSubstr("its topic is not spBv1.0/GROUP/TYPE/EDGE"));
  SparkplugPayload payload = with_seq(0);
  add(payload, "\xff", Boolean)->set_boolean_value(true);
  EXPECT_THAT(lane.map("spBv1.0/G/DBIRTH/E/D", payload), IsEmpty());
  EXPECT_THAT(lane.reason, HasSubstr("not valid UTF-8"));
}

// ---- Sessions -----------------------------------------------------------------------------------

TEST(SparkplugSessions, a_birth_of_the_node_ends_those_of_its_devices) {
  Lane lane(narrow);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth());
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(1, 2, 1)), IsEmpty());
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth(2, 10));
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(3, 11, 1)), testing::SizeIs(1));
}

TEST(SparkplugSessions, a_gap_asks_for_a_rebirth_and_the_rebirth_answers) {
  Lane lane(narrow);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth());
  for (std::uint64_t seq = 2; seq < 600; ++seq)
    lane.map("spBv1.0/G/DDATA/E/D", ddata(seq % 256, 2, 1));
  EXPECT_EQ(lane.sessions.gaps(), 0U);
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty());
  lane.map("spBv1.0/G/DDATA/E/D", ddata(599 % 256, 2, 1));  // the same again: sent twice
  EXPECT_EQ(lane.sessions.gaps(), 0U);
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(601 % 256, 2, 1)), testing::SizeIs(1));
  EXPECT_EQ(lane.sessions.gaps(), 1U);
  EXPECT_THAT(lane.sessions.rebirths(), ElementsAre("G/E"));
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty()) << "it came of itself";
}

TEST(SparkplugSessions, what_is_not_settled_is_taken_back) {
  Lane lane(narrow);
  lane.map("spBv1.0/G/NBIRTH/E", nbirth());
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth());
  lane.sessions.settle();
  lane.map("spBv1.0/G/DBIRTH/E/D", dbirth(2, 20));  // the aliases are others now
  lane.map("spBv1.0/G/DDATA/E/D", ddata(9, 99, 1));
  EXPECT_THAT(lane.sessions.rebirths(), ElementsAre("G/E"));
  lane.sessions.revert();
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty());
  EXPECT_EQ(lane.sessions.gaps(), 0U);
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(2, 2, 1)),
              ElementsAre("D Temperature Float 1 2"));
  EXPECT_EQ(lane.sessions.gaps(), 0U);
}

TEST(SparkplugSessions, begin_with_the_births_that_were_kept) {
  Lane lane(narrow);
  lane.sessions.load({{"G/E", "D", 20, dbirth(1, 5).SerializeAsString()},
                      {"G/E", "D", 30, dbirth(1, 1).SerializeAsString()},
                      {"G/E", "old", 5, dbirth(1, 40).SerializeAsString()},
                      {"G/E", "", 10, nbirth(3).SerializeAsString()},
                      {"G/E", "bad", 11, "\xff"}});
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/D", ddata(200, 2, 4)),
              ElementsAre("D Temperature Float 4 200"));
  EXPECT_THAT(lane.sessions.rebirths(), IsEmpty()) << "any sequence number may be the next";
  EXPECT_THAT(lane.map("spBv1.0/G/DDATA/E/old", ddata(201, 41, 4)), IsEmpty())
      << "born before its node was born again";
}

TEST(SparkplugSessions, are_bounded) {
  SparkplugSessions sessions(2000);
  std::deque<std::string> kept;
  const auto see = [&](const std::string& topic, const SparkplugPayload& payload) {
    Message message;
    message.topic = kept.emplace_back(topic);
    message.payload = kept.emplace_back(payload.SerializeAsString());
    sessions.see(message);
  };
  for (int i = 0; i < 100; ++i) see("spBv1.0/G/NBIRTH/E" + std::to_string(i), nbirth());
  EXPECT_NE(sessions.birth(*sparkplug_topic("spBv1.0/G/NDATA/E0")), nullptr);
  EXPECT_EQ(sessions.birth(*sparkplug_topic("spBv1.0/G/NDATA/E99")), nullptr);
  for (int i = 0; i < 100; ++i) see("spBv1.0/G/NBIRTH/E0", nbirth());
  EXPECT_NE(sessions.birth(*sparkplug_topic("spBv1.0/G/NDATA/E0")), nullptr);
}

TEST(Sparkplug, a_rebirth_request_is_what_the_specification_says) {
  EXPECT_EQ(rebirth_topic("Group 1/Edge"), "spBv1.0/Group 1/NCMD/Edge");
  SparkplugPayload payload;
  ASSERT_TRUE(payload.ParseFromString(rebirth_payload({1486144502122000})));
  ASSERT_EQ(payload.metrics_size(), 1);
  EXPECT_EQ(payload.timestamp(), born_at);
  EXPECT_EQ(payload.metrics(0).name(), "Node Control/Rebirth");
  EXPECT_EQ(payload.metrics(0).datatype(), Boolean);
  EXPECT_TRUE(payload.metrics(0).boolean_value());
}

TEST(Sparkplug, random_bytes_become_rows_or_dead_letters) {
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  Lane lane(narrow);
  Lane documents(wide);
  const std::string sound = dbirth().SerializeAsString();
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = sound;
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    for (Lane* each : {&lane, &documents}) {
      const auto rows = each->map("spBv1.0/G/DDATA/E/D", bytes);
      EXPECT_TRUE(!rows.empty() || !each->reason.empty() || bytes.size() < sound.size());
    }
  }
}

}  // namespace
}  // namespace rowgate::schema
