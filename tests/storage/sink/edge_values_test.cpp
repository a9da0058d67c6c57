// Values at the edges of their types, from a device's payload to the row: SQLite and PostgreSQL
// give the same. docs/mapping.md ("Edge values") states what this table says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

using testing::HasSubstr;

constexpr const char* mapping = R"(
[[mapping]]
name = "edge"
topic = "json"
table = "edge"
[mapping.columns]
i = { from = "/i", type = "bigint" }
d = { from = "/d", type = "double" }
n = { from = "/n", type = "numeric" }
t = { from = "/t", type = "text" }
at = { from = "/at", type = "timestamptz" }
j = { from = "/j", type = "jsonb" }
[[mapping]]
name = "bytes"
topic = "raw"
table = "edge"
payload = "raw"
[mapping.columns]
t = { from = "", type = "text" }
[[mapping]]
name = "number"
topic = "scalar"
table = "edge"
payload = "scalar"
[mapping.columns]
d = { from = "", type = "double" }
)";

struct Edge {
  const char* topic;
  std::string payload;
  std::string row;          // a condition in SQL, the same for both, that the row meets
  std::string dead_letter;  // or what the reason holds
};

std::string long_text() {
  return std::string(200'000, 'x');
}

const std::vector<Edge>& edges() {
  using std::string_literals::operator""s;
  static const std::vector<Edge> all{
      {"json", R"({"i":9223372036854775807})", "i = 9223372036854775807", ""},
      {"json", R"({"i":-9223372036854775808})", "i = -9223372036854775807 - 1", ""},
      {"json", R"({"i":9223372036854775808})", "", "is out of range for bigint"},
      {"json", R"({"i":9007199254740993})", "i = 9007199254740993", ""},
      {"json", R"({"i":1.5})", "", "is not a whole number"},
      {"json", R"({"i":1e3})", "i = 1000", ""},
      {"json", R"({"d":9007199254740993})", "d = 9007199254740992", ""},
      {"json", R"({"d":1.7976931348623157e308})", "d = 1.7976931348623157e308", ""},
      {"json", R"({"d":1e309})", "", "is out of range"},
      {"json", R"({"d":4.9e-324})", "d > 0 AND d < 1e-323", ""},
      {"json", R"({"d":1e-400})", "d = 0", ""},
      {"json", R"({"d":-0.0})", "d = 0 AND CAST(d AS text) NOT LIKE '-%'", ""},
      {"json", R"({"d":NaN})", "", "is not JSON"},
      {"json", R"({"d":"NaN"})", "", "is not a number"},
      {"scalar", "nan", "", "is not a number"},
      {"scalar", "-inf", "", "is not a number"},
      {"json", R"({"d":"Infinity"})", "", "is not a number"},
      {"json", R"({"n":"NaN"})", "", "is not a number"},
      {"json", R"({"n":"-Infinity"})", "", "is not a number"},
      {"json", R"({"n":123456789012345678901234567890.1234567890})",
       "CAST(n AS text) = '123456789012345678901234567890.1234567890'", ""},
      {"json", R"({"n":-0.0})", "CAST(n AS text) = '0.0'", ""},
      {"json", R"({"n":1e1001})", "", "has more than 1000 digits"},
      {"json", R"({"t":""})", "t = ''", ""},
      {"json", R"({"t":null})", "t IS NULL", ""},
      {"json", R"({"t":"a\u0000b"})", "", "holds U+0000"},
      {"raw", "a\0b"s, "", "holds a NUL byte"},
      {"raw", "\xff\xfe", "", "is not UTF-8"},
      {"json", "{\"t\":\"\xff\"}", "", "is not JSON"},
      {"json", R"({"t":"\ud800"})", "", "is not JSON"},
      {"json", "{\"t\":\"\xf0\x9f\x8c\xa1 caf\xc3\xa9\"}", "t = '\xf0\x9f\x8c\xa1 caf\xc3\xa9'",
       ""},
      {"json", "{\"t\":\"" + long_text() + "\"}", "length(t) = 200000", ""},
      {"json", R"({"at":"1969-12-31T23:59:59.999999Z"})", "at = '1969-12-31T23:59:59.999999Z'", ""},
      {"json", R"({"at":-1})", "at = '1969-12-31T23:59:59.999000Z'", ""},
      {"json", R"({"at":"0001-01-01T00:00:00Z"})", "at = '0001-01-01T00:00:00.000000Z'", ""},
      {"json", R"({"at":"9999-12-31T23:59:59.9999999Z"})", "at = '9999-12-31T23:59:59.999999Z'",
       ""},
      {"json", R"({"at":"2300-02-28T12:00:00Z"})", "at = '2300-02-28T12:00:00.000000Z'", ""},
      {"json", R"({"at":"10000-01-01T00:00:00Z"})", "", "is not an ISO 8601 time"},
      {"json", R"({"at":"0000-12-31T00:00:00Z"})", "", "is not an ISO 8601 time"},
      {"json", R"({"j":{"a":1e400,"":[null,true,{}]}})", R"(j = '{"a":1e400,"":[null,true,{}]}')",
       ""},
      {"json", R"({"j":"text"})", R"(j = '"text"')", ""},
      {"json", R"({"j":["\u0000"]})", "", "holds U+0000"},
      {"json", R"({"j":null})", "j IS NULL", ""},
  };
  return all;
}

class EdgeValues : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) == "postgres") {
      sink_ = postgres::make_sink(test::PostgresServer::shared().new_database());
    } else {
      remove_file();
      sink_ = sqlite::make_sink(file_, sqlite::Synchronous::full);
    }
    lane_ = sink_->lane(Lane{0});
    ASSERT_TRUE(lane_->open({"gw", "j", Lane{0}}, Position{0}));
  }
  void TearDown() override {
    lane_.reset();
    remove_file();
  }
  void remove_file() const {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + suffix);
  }
  /// How many rows of `edge` meet the condition.
  std::string count(const std::string& condition) {
    const auto found = sink_->query("SELECT count(*) FROM edge WHERE " + condition);
    return found ? found->rows.at(0).at(0).value_or("") : found.error().message;
  }

  std::string file_ = std::filesystem::temp_directory_path() /
                      ("rowgate-edge-" + std::to_string(::getpid()) + ".db");
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<SinkLane> lane_;
};

TEST_P(EdgeValues, AreStoredOrRefusedAsStated) {
  const auto catalog = schema::parse_mapping_file(mapping, 1);
  ASSERT_TRUE(catalog) << schema::format_errors("mapping", catalog.error());
  schema::Mapper mapper(*catalog);
  schema::BatchSet batches(**catalog);
  ASSERT_TRUE(lane_->ensure(batches[0].table()));
  std::uint64_t position = 0;
  for (const Edge& edge : edges()) {
    SCOPED_TRACE(edge.payload.substr(0, 80));
    schema::Message message{};
    message.topic = edge.topic;
    message.client_id = "c";
    message.payload = edge.payload;
    batches.clear();
    mapper.map(message, 0, false, batches);
    if (!edge.dead_letter.empty()) {
      ASSERT_EQ(batches.dead_letters().rows(), 1U);
      const auto row = batches.dead_letters().row(0);
      const auto reason = *batches.dead_letters().table().column("reason");
      EXPECT_THAT(std::string(row[reason].as_bytes()), HasSubstr(edge.dead_letter));
      EXPECT_EQ(batches[0].rows(), 0U);
      continue;
    }
    ASSERT_EQ(batches[0].rows(), 1U);
    const std::string before = count(edge.row);
    ASSERT_TRUE(lane_->begin());
    const auto inserted = lane_->insert({&batches[0], 0, 1}, false);
    ASSERT_TRUE(inserted) << inserted.error().message;
    ASSERT_TRUE(lane_->commit(Position{position}, Position{position + 1}));
    ++position;
    EXPECT_EQ(count(edge.row), std::to_string(std::stoi(before) + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, EdgeValues, testing::Values("sqlite", "postgres"),
                         [](const auto& sink) { return std::string(sink.param); });

}  // namespace
}  // namespace rowgate::storage
