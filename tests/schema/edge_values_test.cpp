// Values at the edges of their types, each with the result that docs/mapping.md states ("##
// Types"). What the databases make of the same values is checked with the sinks.
#include <gtest/gtest.h>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

struct Edge {
  std::string_view payload;
  std::string_view column;  // the rest of v = { from = ..., }
  std::string_view want;  // the value as to_text() shows it, or a part of the dead letter's reason
};

std::string result(std::string_view format, const Edge& edge) {
  const bool fields = format == "json";
  std::string toml = "[[mapping]]\nname = \"m\"\ntopic = \"t\"\ntable = \"t\"\npayload = \"";
  toml.append(format).append("\"\n");
  if (edge.column == "auto") {
    toml += "columns = \"auto\"\n";
  } else {
    toml.append("[mapping.columns]\nv = { from = \"").append(fields ? "/v" : "").append("\", ");
    toml.append(edge.column).append(" }\n");
  }
  const auto catalog = parse_mapping_file(toml, 1);
  if (!catalog) return format_errors("toml", catalog.error());
  Mapper mapper(*catalog);
  BatchSet out(**catalog);
  Message message;
  message.topic = "t";
  message.client_id = "c";
  message.payload = edge.payload;
  mapper.map(message, 0, true, out);
  if (out[0].rows() == 1) return to_text(out[0].row(0).back());
  const Table& table = out.dead_letters().table();
  return std::string(out.dead_letters().row(0)[table.column("reason").value()].as_bytes());
}

void check(std::string_view format, std::span<const Edge> edges) {
  for (const Edge& edge : edges) {
    const std::string have = result(format, edge);
    const bool reason = edge.want.find(' ') != std::string_view::npos;
    EXPECT_TRUE(reason ? have.find(edge.want) != std::string::npos : have == edge.want)
        << edge.payload << " as " << edge.column << ": " << have << ", not " << edge.want;
  }
}

constexpr std::string_view bigint = "type = \"bigint\"";
constexpr std::string_view real = "type = \"double\"";
constexpr std::string_view numeric = "type = \"numeric\"";
constexpr std::string_view text = "type = \"text\"";
constexpr std::string_view jsonb = "type = \"jsonb\"";
constexpr std::string_view bytea = "type = \"bytea\"";
constexpr std::string_view time = "type = \"timestamptz\"";
constexpr std::string_view seconds = "type = \"timestamptz\", format = \"unix_s\"";
constexpr std::string_view nanos = "type = \"timestamptz\", format = \"unix_ns\"";

TEST(EdgeValues, numbers_in_json) {
  constexpr std::array edges{
      Edge{R"({"v":9007199254740993})", bigint, "9007199254740993"},
      Edge{R"({"v":"9007199254740993"})", bigint, "9007199254740993"},
      Edge{R"({"v":9007199254740993})", numeric, "9007199254740993"},
      Edge{R"({"v":9007199254740993})", text, "'9007199254740993'"},
      Edge{R"({"v":9007199254740993})", jsonb, "'9007199254740993'"},
      Edge{R"({"v":9007199254740993})", real, "9007199254740992"},
      Edge{R"({"v":9007199254740993})", "auto", "9007199254740992"},
      Edge{R"({"v":9223372036854775807})", bigint, "9223372036854775807"},
      Edge{R"({"v":-9223372036854775808})", bigint, "-9223372036854775808"},
      Edge{R"({"v":9223372036854775808})", bigint, "is out of range for bigint"},
      Edge{R"({"v":18446744073709551615})", numeric, "18446744073709551615"},
      Edge{R"({"v":18446744073709551615})", "auto", "18446744073709551616"},
      Edge{R"({"v":3.0})", bigint, "3"},
      Edge{R"({"v":1e3})", bigint, "1000"},
      Edge{R"({"v":3.5})", bigint, "is not a whole number"},
      Edge{R"({"v":-0.0})", bigint, "0"},
      Edge{R"({"v":-0.0})", real, "-0"},
      Edge{R"({"v":1e308})", real, "1e+308"},
      Edge{R"({"v":1e400})", real, "is out of range"},
      Edge{R"({"v":1e400})", "auto", "is out of range"},
      Edge{R"({"v":-1e400})", real, "is out of range"},
      Edge{R"({"v":1e-400})", real, "0"},
      Edge{R"({"v":4.9e-324})", real, "5e-324"},
      Edge{R"({"v":0.1000000000000000055511151231257827})", numeric,
           "0.1000000000000000055511151231257827"},
      Edge{R"({"v":1e1001})", numeric, "has more than 1000 digits"},
  };
  check("json", edges);
}

TEST(EdgeValues, what_is_no_number) {
  constexpr std::array edges{
      Edge{R"({"v":NaN})", real, "the payload is not JSON"},
      Edge{R"({"v":Infinity})", real, "the payload is not JSON"},
      Edge{R"({"v":"NaN"})", real, "\"NaN\" from /v is not a number"},
      Edge{R"({"v":"Infinity"})", numeric, "is not a number"},
      Edge{R"({"v":"NaN"})", text, "'NaN'"},
      Edge{R"({"v":"NaN"})", "type = \"double\", null_if = \"NaN\"", "NULL"},
      Edge{R"({"v":"inf"})", "type = \"double\", on_error = \"null\"", "NULL"},
  };
  check("json", edges);
  constexpr std::array scalars{
      Edge{"NaN", real, "is not a number"},
      Edge{"nan", numeric, "is not a number"},
      Edge{"-inf", real, "is not a number"},
      Edge{"0x10", bigint, "is not a number"},
      Edge{"+5", bigint, "5"},
      Edge{"1,5", real, "is not a number"},
      Edge{"", real, "is not a number"},
      Edge{" 7 ", bigint, "7"},
      Edge{"9007199254740993", bigint, "9007199254740993"},
  };
  check("scalar", scalars);
}

TEST(EdgeValues, keys_that_stand_twice) {
  constexpr std::array edges{
      Edge{R"({"v":1,"v":2})", bigint, "2"},
      Edge{R"({"v":1,"v":null})", bigint, "NULL"},
      Edge{R"({"v":"x","v":2})", bigint, "2"},
      Edge{R"({"v":2,"v":"x"})", bigint, "is not a number"},
      Edge{R"({"v":1,"\u0076":2})", bigint, "2"},
      Edge{R"({"v":{"a":1,"a":2}})", jsonb, R"('{"a":1,"a":2}')"},
      Edge{R"({"v":1,"v":2})", "auto", "another field fills column"},
  };
  check("json", edges);
}

TEST(EdgeValues, text_that_is_none) {
  constexpr std::array edges{
      Edge{"{\"v\":\"a\xff\"}", text, "it is not valid UTF-8"},
      Edge{"{\"w\":\"a\xff\",\"v\":1}", bigint, "it is not valid UTF-8"},
      Edge{"{\"v\":\"\xed\xa0\x80\"}", text, "it is not valid UTF-8"},
      Edge{R"({"v":"\ud800"})", text, "the payload is not JSON"},
      Edge{R"({"v":"\ud83d\ude00"})", text, "'\xf0\x9f\x98\x80'"},
      Edge{R"({"v":"a\u0000b"})", text, "holds U+0000, which text cannot store"},
      Edge{R"({"v":"a\u0000b"})", "auto", "holds U+0000, which text cannot store"},
      Edge{R"({"v":["a\u0000b"]})", jsonb, "holds U+0000, which jsonb cannot store"},
      Edge{R"({"v":"a\u0000b"})", bytea, R"('\x610062')"},
      Edge{R"({"v":"a\\u0000b"})", text, R"('a\u0000b')"},
      Edge{"{\"v\":\"a\0b\"}"sv, text, "unescaped control character"},
      Edge{R"({"v":""})", text, "''"},
  };
  check("json", edges);
  constexpr std::array raw{
      Edge{"a\xff", text, "is not UTF-8, which text must be"},
      Edge{"a\0b"sv, text, "holds a NUL byte, which text cannot store"},
      Edge{"a\0\xff"sv, bytea, R"('\x6100ff')"},
      Edge{"", bytea, R"('\x')"},
  };
  check("raw", raw);
  constexpr std::array scalars{
      Edge{"a\xff", text, "it is not UTF-8 without NUL"},
      Edge{"a\0"sv, text, "it is not UTF-8 without NUL"},
  };
  check("scalar", scalars);
}

TEST(EdgeValues, times) {
  constexpr std::array edges{
      Edge{R"({"v":"1969-12-31T23:59:59.999999Z"})", time, "1969-12-31T23:59:59.999999Z"},
      Edge{R"({"v":-1})", seconds, "1969-12-31T23:59:59.000000Z"},
      Edge{R"({"v":-0.5})", seconds, "1969-12-31T23:59:59.500000Z"},
      Edge{R"({"v":"1582-10-10"})", time, "1582-10-10T00:00:00.000000Z"},
      Edge{R"({"v":"0001-01-01"})", time, "0001-01-01T00:00:00.000000Z"},
      Edge{R"({"v":"0001-01-01T00:00:00+01:00"})", time, "is not an ISO 8601 time"},
      Edge{R"({"v":"0000-12-31"})", time, "is not an ISO 8601 time"},
      Edge{R"({"v":"2262-04-12T00:00:00Z"})", time, "2262-04-12T00:00:00.000000Z"},
      Edge{R"({"v":9223372036854775807})", nanos, "2262-04-11T23:47:16.854775Z"},
      Edge{R"({"v":9223372036854775808000})", nanos, "is not a time between the years 1 and 9999"},
      Edge{R"({"v":10000000000000000000})", nanos, "2286-11-20T17:46:40.000000Z"},
      Edge{R"({"v":253402300799})", seconds, "9999-12-31T23:59:59.000000Z"},
      Edge{R"({"v":253402300800})", seconds, "is not a time between the years 1 and 9999"},
      Edge{R"({"v":-62135596801})", seconds, "is not a time between the years 1 and 9999"},
      Edge{R"({"v":"9999-12-31T23:59:59.999999Z"})", time, "9999-12-31T23:59:59.999999Z"},
      Edge{R"({"v":"10000-01-01"})", time, "is not an ISO 8601 time"},
      Edge{R"({"v":"2025-02-29"})", time, "is not an ISO 8601 time"},
      Edge{R"({"v":"2026-01-01T00:00:00.1234567Z"})", time, "2026-01-01T00:00:00.123456Z"},
      Edge{R"({"v":1e400})", seconds, "is not a time between the years 1 and 9999"},
  };
  check("json", edges);
}

}  // namespace
}  // namespace rowgate::schema
