// Sparkplug B: payloads made with protobuf, read as the lane reads them.
#include "schema/sparkplug.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sparkplug_b.pb.h>

#include <deque>
#include <random>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Metric = SparkplugPayload::Metric;

constexpr std::uint64_t born_at = 1486144502122;  // as in the specification's examples
enum : std::uint32_t {
  Int8 = 1,
  Int16,
  Int32,
  Int64,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Float,
  Double,
  Boolean,
  String,
  DateTime,
  Text,
  Uuid,
  DataSet,
  Bytes,
  File,
  Template,
  Int8Array = 22,
  BooleanArray = 32,
  StringArray = 33
};

Metric* add(SparkplugPayload& payload, const std::string& name, std::uint32_t datatype) {
  Metric* metric = payload.add_metrics();
  metric->set_name(name);
  metric->set_timestamp(born_at);
  metric->set_datatype(datatype);
  return metric;
}
Metric* add(SparkplugPayload& payload, std::uint64_t alias) {
  Metric* metric = payload.add_metrics();
  metric->set_alias(alias);
  metric->set_timestamp(born_at + 1000);
  return metric;
}
SparkplugPayload with_seq(std::uint64_t seq) {
  SparkplugPayload payload;
  payload.set_timestamp(born_at);
  payload.set_seq(seq);
  return payload;
}
SparkplugPayload nbirth(std::uint64_t bdseq = 0) {
  SparkplugPayload payload = with_seq(0);
  add(payload, "bdSeq", UInt64)->set_long_value(bdseq);
  add(payload, "Node Control/Rebirth", Boolean)->set_boolean_value(false);
  return payload;
}
/// The inputs of the device in the specification's example, by alias.
SparkplugPayload dbirth(std::uint64_t seq = 1, std::uint64_t first_alias = 1) {
  SparkplugPayload payload = with_seq(seq);
  Metric* metric = add(payload, "Inputs/0", Boolean);
  metric->set_alias(first_alias);
  metric->set_boolean_value(true);
  metric = add(payload, "Temperature", Float);
  metric->set_alias(first_alias + 1);
  metric->set_float_value(21.5F);
  return payload;
}
SparkplugPayload ddata(std::uint64_t seq, std::uint64_t alias, float value) {
  SparkplugPayload payload = with_seq(seq);
  add(payload, alias)->set_float_value(value);
  return payload;
}

constexpr std::string_view narrow = R"(
[[mapping]]
name = "plant"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "metrics"
payload = "sparkplug_b"
rows = "/metrics"
time = { from = "/timestamp", format = "unix_ms" }
[mapping.columns]
device   = { topic = "device", type = "text" }
name     = { from = "/name", type = "text", required = true }
datatype = { from = "/datatype", type = "text" }
value    = { from = "/value", type = "text" }
seq      = { root = "/seq", type = "bigint" }
)";
constexpr std::string_view wide = R"(
[[mapping]]
name = "plant"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "climate"
payload = "sparkplug_b"
[mapping.columns]
temperature = { from = "/values/Temperature", type = "double" }
input       = { from = "/values/Inputs~10", type = "boolean" }
)";
constexpr std::string_view whole = R"(
[[mapping]]
name = "nodes"
topic = "spBv1.0/{group}/{type}/{edge}"
table = "documents"
payload = "sparkplug_b"
[mapping.columns]
document = { from = "", type = "jsonb" }
)";

/// A lane: what it maps is seen by its sessions.
class Lane {
 public:
  explicit Lane(std::string_view toml)
      : catalog_(parse(toml)), mapper_(catalog_, &sessions), out_(*catalog_) {}

  /// The rows of it, a line each: the values but the time, in the columns' order.
  std::vector<std::string> map(const std::string& topic, const std::string& payload) {
    kept_.push_back(topic);
    kept_.push_back(payload);
    Message message;
    message.topic = kept_[kept_.size() - 2];
    message.payload = kept_.back();
    message.client_id = "edge";
    message.received_at = {1767225600000000};
    message.position = ++position;
    const std::size_t letters = out_.dead_letters().rows();
    const std::size_t before = out_[0].rows();
    mapper_.map(message, 0, true, out_);
    reason.clear();
    if (out_.dead_letters().rows() > letters) {
      const std::size_t column = *out_.dead_letters().table().column("reason");
      reason = out_.dead_letters().row(letters)[column].as_bytes();
    }
    std::vector<std::string> rows;
    for (std::size_t r = before; r < out_[0].rows(); ++r) {
      std::string line;
      for (std::size_t c = 1; c < out_[0].table().columns.size(); ++c) {
        if (c > 1) line += ' ';
        const std::string text = to_text(out_[0].row(r)[c]);
        line += text.starts_with('\'') ? text.substr(1, text.size() - 2) : text;
      }
      rows.push_back(line);
    }
    return rows;
  }
  std::vector<std::string> map(const std::string& topic, const SparkplugPayload& payload) {
    return map(topic, payload.SerializeAsString());
  }

  SparkplugSessions sessions;
  std::string reason;  // of the last message
  std::uint64_t position = 0;

 private:
  static std::shared_ptr<const Catalog> parse(std::string_view toml) {
    auto parsed = parse_mapping_file(toml, 1);
    if (!parsed) throw std::runtime_error(format_errors("test", parsed.error()));
    return *parsed;
  }
  std::deque<std::string> kept_;
  std::shared_ptr<const Catalog> catalog_;
  Mapper mapper_;
  BatchSet out_;
};

/// The value of one metric, as the document has it.
std::string value_of(const Metric& metric) {
  Lane lane(R"(
[[mapping]]
name = "n"
topic = "spBv1.0/{group}/{type}/{edge}"
table = "t"
payload = "sparkplug_b"
columns = { v = { from = "/values", type = "jsonb" } }
)");
  SparkplugPayload payload = with_seq(0);
  *payload.add_metrics() = metric;
  const auto rows = lane.map("spBv1.0/G/NBIRTH/E", payload);
  constexpr std::string_view before = R"({"m":)";
  return rows.empty() ? lane.reason
                      : rows[0].substr(before.size(), rows[0].size() - before.size() - 1);
}
Metric metric_of(std::uint32_t datatype) {
  Metric metric;
  metric.set_name("m");
  metric.set_datatype(datatype);
  return metric;
}
std::string int_value(std::uint32_t datatype, std::uint32_t value) {
  Metric metric = metric_of(datatype);
  metric.set_int_value(value);
  return value_of(metric);
}
std::string long_value(std::uint32_t datatype, std::uint64_t value) {
  Metric metric = metric_of(datatype);
  metric.set_long_value(value);
  return value_of(metric);
}
std::string bytes_value(std::uint32_t datatype, std::string_view value) {
  Metric metric = metric_of(datatype);
  metric.set_bytes_value(std::string(value));
  return value_of(metric);
}

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

// ---- Values -------------------------------------------------------------------------------------

TEST(SparkplugValue, integers_are_twos_complement_of_the_field_or_of_their_own_width) {
  EXPECT_EQ(int_value(Int8, 0xFFFFFFE9), "-23");
  EXPECT_EQ(int_value(Int8, 0xE9), "-23");
  EXPECT_EQ(int_value(Int8, 127), "127");
  EXPECT_EQ(int_value(Int16, 0xFFFF8AD0), "-30000");
  EXPECT_EQ(int_value(Int16, 0x8AD0), "-30000");
  EXPECT_EQ(int_value(Int32, 0xFFFFFFFF), "-1");
  EXPECT_EQ(long_value(Int64, 0xFFFFFFFFFFFFFFFF), "-1");
  EXPECT_EQ(long_value(Int64, 1ULL << 63), "-9223372036854775808");
  EXPECT_EQ(int_value(UInt8, 255), "255");
  EXPECT_EQ(int_value(UInt32, 0xFFFFFFFF), "4294967295");
  EXPECT_EQ(long_value(UInt32, 0xFFFFFFFF), "4294967295");
  EXPECT_EQ(long_value(UInt64, 0xFFFFFFFFFFFFFFFF), "18446744073709551615");
  EXPECT_EQ(long_value(DateTime, born_at), "1486144502122");
}

TEST(SparkplugValue, that_is_not_of_its_datatype_is_refused) {
  EXPECT_EQ(int_value(Int8, 300), "the value of metric 'm' is not of its datatype Int8");
  EXPECT_THAT(int_value(UInt8, 256), HasSubstr("UInt8"));
  EXPECT_THAT(int_value(Float, 1), HasSubstr("Float"));
  EXPECT_THAT(int_value(Boolean, 1), HasSubstr("Boolean"));
  EXPECT_THAT(bytes_value(String, "x"), HasSubstr("String"));
  EXPECT_THAT(int_value(0, 1), HasSubstr("no datatype"));
  EXPECT_EQ(int_value(99, 1), "datatype 99 of metric 'm' is not one of Sparkplug B's");
}

TEST(SparkplugValue, reals_strings_and_bytes) {
  Metric metric = metric_of(Float);
  metric.set_float_value(0.1F);
  EXPECT_EQ(value_of(metric), "0.1");
  metric.set_float_value(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(value_of(metric), "\"NaN\"");
  metric = metric_of(Double);
  metric.set_double_value(-1e300);
  EXPECT_EQ(value_of(metric), "-1e+300");
  metric.set_double_value(-std::numeric_limits<double>::infinity());
  EXPECT_EQ(value_of(metric), "\"-Infinity\"");
  for (const std::uint32_t datatype : {String, Text, Uuid}) {
    metric = metric_of(datatype);
    metric.set_string_value("caf\xc3\xa9");
    EXPECT_EQ(value_of(metric), "\"caf\xc3\xa9\"");
  }
  EXPECT_EQ(bytes_value(Bytes, "\xff\xfe"), "\"__4\"");
  EXPECT_EQ(bytes_value(File, ""), "\"\"");
  metric = metric_of(Boolean);
  metric.set_is_null(true);
  EXPECT_EQ(value_of(metric), "null");
}

TEST(SparkplugValue, arrays_as_in_the_specifications_examples) {
  using namespace std::string_view_literals;
  // But for Int8Array, whose example has a wrong digit, and Float and Double, whose are big-endian
  // although the text before them says little.
  EXPECT_EQ(bytes_value(22, "\xE9\x7B"sv), "[-23,123]");
  EXPECT_EQ(bytes_value(23, "\xD0\x8A\x30\x75"sv), "[-30000,30000]");
  EXPECT_EQ(bytes_value(24, "\xFF\xFF\xFF\xFF\xFA\xAF\xCB\x12"sv), "[-1,315338746]");
  EXPECT_EQ(bytes_value(25, "\xCE\x06\x72\xAC\x18\x9C\xBA\xC4\xC4\xBA\x9C\x18\xAC\x72\x06\xCE"sv),
            "[-4270929666821191986,-3601064768563266876]");
  EXPECT_EQ(bytes_value(26, "\x17\xFA"sv), "[23,250]");
  EXPECT_EQ(bytes_value(27, "\x1E\x00\x88\xCC"sv), "[30,52360]");
  EXPECT_EQ(bytes_value(28, "\x34\x00\x00\x00\x49\xFB\x55\xC4"sv), "[52,3293969225]");
  EXPECT_EQ(bytes_value(29, "\x34\x00\x00\x00\x00\x00\x00\x00\xD9\x9E\x02\xD1\xB2\x76\x37\xE4"sv),
            "[52,16444743074749521625]");
  EXPECT_EQ(bytes_value(30, "\xA4\x70\x9D\x3F"sv), "[1.23]");
  EXPECT_EQ(bytes_value(31, "\x00\x00\x00\x00\x00\x00\xF8\x3F"sv), "[1.5]");
  EXPECT_EQ(bytes_value(32, "\x0C\x00\x00\x00\x34\xD0"sv),
            "[false,false,true,true,false,true,false,false,true,true,false,true]");
  EXPECT_EQ(bytes_value(33, "ABC\0hello\0"sv), R"(["ABC","hello"])");
  EXPECT_EQ(bytes_value(34, "\xC7\xD0\x90\x75\x24\x01\x00\x00"sv), "[1256102875335]");
  EXPECT_EQ(bytes_value(24, ""), "[]");
  EXPECT_THAT(bytes_value(24, "\x01\x02\x03"sv), HasSubstr("Int32Array"));
  EXPECT_THAT(bytes_value(32, "\x0C\x00\x00\x00\x34"sv), HasSubstr("BooleanArray"));
  EXPECT_THAT(bytes_value(32, "\xFF\xFF\xFF\xFF\x34"sv), HasSubstr("BooleanArray"));
  EXPECT_THAT(bytes_value(33, "ABC"sv), HasSubstr("StringArray"));
}

TEST(SparkplugValue, a_data_set_is_an_array_of_objects) {
  Metric metric = metric_of(DataSet);
  auto* set = metric.mutable_dataset_value();
  set->set_num_of_columns(2);
  set->add_columns("a");
  set->add_columns("b");
  set->add_types(Int8);
  set->add_types(String);
  auto* row = set->add_rows();
  row->add_elements()->set_int_value(0xFFFFFFFF);
  row->add_elements()->set_string_value("x");
  EXPECT_EQ(value_of(metric), R"([{"a":-1,"b":"x"}])");
  set->add_rows()->add_elements()->set_int_value(1);
  EXPECT_THAT(value_of(metric), HasSubstr("DataSet")) << "a row of another length";
}

TEST(SparkplugValue, a_template_is_an_object) {
  Metric metric = metric_of(Template);
  auto* motor = metric.mutable_template_value();
  motor->set_template_ref("_types_/Motor");
  motor->set_is_definition(false);
  auto* parameter = motor->add_parameters();
  parameter->set_name("rated");
  parameter->set_type(UInt16);
  parameter->set_int_value(1500);
  auto* member = motor->add_metrics();
  member->set_name("rpm");
  member->set_datatype(Int32);
  member->set_int_value(1480);
  EXPECT_EQ(value_of(metric),
            R"({"ref":"_types_/Motor","is_definition":false,"parameters":{"rated":1500},)"
            R"("metrics":{"rpm":1480}})");
  member->set_string_value("x");
  EXPECT_THAT(value_of(metric), HasSubstr("Template"));
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
