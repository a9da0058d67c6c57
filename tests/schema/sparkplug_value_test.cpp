// Sparkplug B: the value of one metric, of each datatype.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/schema/sparkplug_lane.hpp"

namespace rowgate::schema {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace rowgate::schema
