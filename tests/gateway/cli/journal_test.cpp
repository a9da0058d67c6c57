#include "storage/journal/journal.hpp"

#include <gmock/gmock.h>

#include <stdexcept>

#include "storage/os/file.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using testing::HasSubstr;

class journal_verbs : public Scratch {
 protected:
  journal_verbs() { command_.format = Format::csv; }

  /// One QoS 1 publish with text, one at QoS 2 with bytes that are none, released.
  void fill() {
    auto opened = os::open_directory(config::journal_directory(config_));
    ASSERT_TRUE(opened.has_value());
    storage::JournalOptions options;
    options.segment_bytes = 1U << 20;
    options.batch_bytes = 64U << 10;
    const auto journal = storage::Journal::open(std::move(*opened), options);
    journal->start([](storage::Position) {}, [](const std::string&) {});
    storage::PublishRecord record;
    record.client_id = "press-4";
    record.topic = "site/a";
    record.payload = "first, \"payload\"";
    record.qos = 1;
    record.packet_id = 11;
    record.received_at = {1'700'000'000'000'000};
    ASSERT_TRUE(journal->append(record).has_value());
    record.payload = std::string_view("\xff\x00", 2);
    record.qos = 2;
    record.packet_id = 12;
    record.retain = true;
    ASSERT_TRUE(journal->append(record).has_value());
    ASSERT_TRUE(journal->release("press-4", 12).has_value());
    journal->stop();
  }

  std::filesystem::path segment() const {
    for (const auto& entry :
         std::filesystem::directory_iterator(config::journal_directory(config_))) {
      if (entry.path().extension() == ".seg") return entry.path();
    }
    throw std::runtime_error("no segment");
  }
};

TEST_F(journal_verbs, info_tells_the_state_and_counts_the_records) {
  fill();
  command_.format = Format::table;
  const std::string text = run(journal_info);
  EXPECT_THAT(text, testing::ContainsRegex("state +sound\n"));
  EXPECT_THAT(text, testing::ContainsRegex("publishes +2\n"));
  EXPECT_THAT(text, testing::ContainsRegex("publishes_by_qos +0 1 1\n"));
  EXPECT_THAT(text, testing::ContainsRegex("open_packet_ids +0\n"));
}

TEST_F(journal_verbs, info_lists_segments) {
  fill();
  command_.journal.segments = true;
  EXPECT_THAT(run(journal_info), HasSubstr(segment().filename().string() + ",0,"));
}

TEST_F(journal_verbs, dump_prints_a_row_a_record) {
  fill();
  const std::string text = run(journal_dump);
  EXPECT_THAT(text, HasSubstr("press-4,11,0,1,0,2023-11-14T22:13:20.000000Z,site/a,"
                              "\"first, \"\"payload\"\"\",text\n"));
  EXPECT_THAT(text, HasSubstr("press-4,12,0,2,1,2023-11-14T22:13:20.000000Z,site/a,ff00,hex\n"));
  EXPECT_THAT(text, testing::ContainsRegex(",release,[^\n]*,press-4,12,,,,,,,\n"));
}

TEST_F(journal_verbs, dump_as_json_has_the_same_rows_as_csv) {
  fill();
  const std::string csv = run(journal_dump);
  command_.format = Format::json;
  const std::string json = run(journal_dump);
  const auto lines = std::count(csv.begin(), csv.end(), '\n') - 1;
  EXPECT_EQ(std::count(json.begin(), json.end(), '{'), lines);
  EXPECT_THAT(json, HasSubstr(R"("payload": "first, \"payload\"")"));
  EXPECT_THAT(json, HasSubstr(R"("payload": null)"));
}

TEST_F(journal_verbs, dump_stops_at_the_limit_and_begins_where_asked) {
  fill();
  command_.journal.limit = 1;
  const std::string first = run(journal_dump);
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 2) << "the header and one row";
  command_.journal.limit = 0;
  const std::string none = run(journal_dump);
  EXPECT_EQ(std::count(none.begin(), none.end(), '\n'), 1);
  command_.journal.limit = 100;
  command_.journal.from = 1;
  EXPECT_THAT(run(journal_dump), testing::Not(HasSubstr("0,segment,")));
}

TEST_F(journal_verbs, verify_of_a_sound_journal_leaves_with_0) {
  fill();
  command_.format = Format::table;
  EXPECT_THAT(run(journal_verify), HasSubstr("sound, 2 publishes in [0, "));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(journal_verbs, verify_of_a_damaged_record_leaves_with_1_and_names_file_and_offset) {
  fill();
  // A second start makes durable what the first wrote, so damage in it is no torn tail.
  fill();
  std::ostringstream read;
  read << std::ifstream(segment(), std::ios::binary).rdbuf();
  std::string bytes = read.str();
  const auto at = bytes.find("first, ");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'F';
  std::ofstream(segment(), std::ios::binary | std::ios::trunc) << bytes;
  command_.format = Format::table;
  EXPECT_THAT(run(journal_verify), HasSubstr(segment().filename().string()));
  EXPECT_EQ(exit_code_, 1);
  run(journal_dump);
  EXPECT_EQ(exit_code_, 1);
  EXPECT_NE(errors_, "");
}

TEST_F(journal_verbs, missing_journal_is_named_and_not_created) {
  config_.data_dir = (directory_ / "nothing").string();
  for (const auto verb : {journal_info, journal_verify, journal_dump}) {
    EXPECT_THAT(refusal<std::runtime_error>(verb), HasSubstr("nothing"));
  }
  EXPECT_FALSE(std::filesystem::exists(config_.data_dir));
}

TEST_F(journal_verbs, directory_without_segments_is_no_journal) {
  std::filesystem::create_directories(config::journal_directory(config_));
  for (const auto verb : {journal_info, journal_verify, journal_dump}) {
    EXPECT_THAT(refusal<std::runtime_error>(verb), HasSubstr("no journal in"));
  }
}

}  // namespace
}  // namespace rowgate::cli
