#pragma once
// A database with dead letters and unmapped messages in it, as a drain leaves them, for the tests
// of storage/replay; once with SQLite, once with PostgreSQL.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "storage/replay/replay.hpp"
#include "storage/sink/postgres/sink.hpp"
#include "storage/sink/sqlite/sink.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::test {

inline std::shared_ptr<const schema::Catalog> catalog(std::string_view mapping_file) {
  auto parsed = schema::parse_mapping_file(mapping_file, 1);
  if (parsed) return *parsed;
  throw std::runtime_error(schema::format_errors("test.toml", parsed.error()));
}

/// One mapping `meter` of meter/{device} into table `meters`, whose column `kwh` comes from there;
/// `more` lines go to the mapping.
inline std::string meter_mapping(std::string_view from, std::string_view more = "") {
  return fmt::format(R"(
[[mapping]]
name = "meter"
topic = "meter/{{device}}"
table = "meters"
{}
[mapping.columns]
device = {{ topic = "device", type = "text" }}
kwh = {{ {}, type = "double", required = true }}
)",
                     more, from);
}
constexpr std::string_view strict = "from = \"/n\"";  // looks in the wrong place
constexpr std::string_view lenient = "from = \"/kwh\"";

class ReplayTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (postgres()) {
      url_ = PostgresServer::shared().new_database();
      sink_ = storage::postgres::make_sink(url_);
    } else {
      std::string pattern = (std::filesystem::temp_directory_path() / "rowgate-replay-XXXXXX");
      directory_ = ::mkdtemp(pattern.data());
      url_ = directory_ + "/t.db";
      sink_ = storage::sqlite::make_sink(url_, storage::sqlite::Synchronous::full);
    }
  }
  void TearDown() override {
    sink_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  static bool postgres() { return std::string_view(GetParam()) == "postgres"; }

  struct Sent {
    std::string topic;
    std::string payload;
    std::string properties{};
  };

  /// Maps these and stores rows, dead letters and unmapped messages as a drain would, with a
  /// checkpoint that it moves.
  void drain(const std::shared_ptr<const schema::Catalog>& with, const std::vector<Sent>& sent) {
    const auto lane = sink_->lane(storage::Lane{});
    const auto at = lane->open({"gateway", "journal", storage::Lane{}}, {});
    ASSERT_TRUE(at) << at.error().message;
    schema::Mapper mapper(with);
    schema::BatchSet batches(*with);
    for (const Sent& one : sent) {
      ++position_;
      mapper.map({.topic = one.topic,
                  .client_id = "device-1",
                  .payload = one.payload,
                  .properties = one.properties,
                  .received_at = Timestamp{1'700'000'000'000'000 + position_ * 1'000'001},
                  .position = static_cast<std::uint64_t>(position_),
                  .qos = 1},
                 0, true, batches);
    }
    for (std::size_t t = 0; t < batches.size(); ++t) {
      if (batches[t].rows() == 0) continue;
      if (const auto r = lane->ensure(batches[t].table()); !r) FAIL() << r.error().message;
    }
    ASSERT_TRUE(lane->begin());
    for (std::size_t t = 0; t < batches.size(); ++t) {
      if (batches[t].rows() == 0) continue;
      const auto done = lane->insert({&batches[t], 0, batches[t].rows()}, false);
      ASSERT_TRUE(done) << done.error().message;
    }
    ASSERT_TRUE(lane->commit(*at, storage::Position{static_cast<std::uint64_t>(position_)}));
  }

  storage::ReplayReport replay(const std::shared_ptr<const schema::Catalog>& with,
                               const storage::ReplayOptions& options = {}) {
    const auto report = storage::replay(*sink_, with, options);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : storage::ReplayReport{};
  }

  /// Rows as text, cells parted by commas, rows by spaces.
  std::string rows(const std::string& sql) {
    const auto result = sink_->query(sql);
    if (!result) return "error: " + result.error().message;
    std::string text;
    for (const auto& row : result->rows) {
      if (!text.empty()) text += ' ';
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (c > 0) text += ',';
        std::string cell = row[c].value_or("NULL");
        if (cell.ends_with(".0")) cell.resize(cell.size() - 2);  // SQLite's way of writing 2.0
        text += cell;
      }
    }
    return text;
  }
  std::string count(const std::string& table) { return rows("SELECT count(*) FROM " + table); }

  /// Runs SQL that changes something, as another program would.
  void change(const std::string& sql) {
    if (postgres()) {
      PostgresServer::shared().sql(database_of(url_), sql);
      return;
    }
    const auto lane = sink_->lane(storage::Lane{});
    ASSERT_TRUE(lane->connect());
    ASSERT_TRUE(lane->begin());
    const auto done = lane->execute(sql);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_TRUE(lane->commit_without_checkpoint());
  }

  std::string directory_, url_;
  std::unique_ptr<storage::Sink> sink_;
  std::int64_t position_ = 0;
};

}  // namespace rowgate::test
