#include "gateway/cli/live_mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/open_sink.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using Outcome = http::MappingChange::Outcome;
using testing::HasSubstr;

std::string text(const std::string& table) {
  return "[[mapping]]\nname = \"m\"\ntopic = \"a/{d}\"\ntable = \"" + table +
         "\"\npayload = \"json\"\n[mapping.columns]\nv = { from = \"/v\", type = \"double\" }\n";
}

class live_mapping : public Scratch {
 protected:
  live_mapping() {
    file_ = (directory_ / "mapping.toml").string();
    write(text("one"));
    const storage::SinkOptions options{"sqlite:" + (directory_ / "rows.db").string()};
    sink_ = open_sink(options);
    live_ = std::make_unique<LiveMapping>(file_);
    live_->start(*sink_, open_mapping_history(options, "plant"));
    api_ = live_->endpoints();
  }
  void write(const std::string& content) { std::ofstream(file_, std::ios::trunc) << content; }
  std::string on_disk() const { return read_mapping_file(file_); }
  std::string table() const { return live_->catalog().get()->tables.front().name; }

  std::string file_;
  std::unique_ptr<storage::Sink> sink_;
  std::unique_ptr<LiveMapping> live_;
  http::MappingEndpoints api_;
};

TEST_F(live_mapping, put_changes_file_catalog_and_history) {
  const auto change = api_.apply(text("two"), api_.current().etag, "Anna", false);
  EXPECT_EQ(change.outcome, Outcome::accepted) << change.message;
  EXPECT_EQ(change.version, 2);
  EXPECT_EQ(on_disk(), text("two"));
  EXPECT_EQ(table(), "two");
  EXPECT_EQ(live_->catalog().generation(), 2U);
  const auto versions = api_.history(0, 10);
  ASSERT_EQ(versions->size(), 2U);
  EXPECT_EQ((*versions)[0].who, "Anna");
  EXPECT_EQ((*versions)[1].source, "start");
}

TEST_F(live_mapping, broken_text_changes_nothing) {
  const std::string before = api_.current().etag;
  const auto change = api_.apply("[[mapping]]\nnmae = 1\n", "*", "Anna", false);
  EXPECT_EQ(change.outcome, Outcome::refused);
  EXPECT_THAT(change.errors, testing::Contains(testing::Field(&schema::MappingError::line, 2U)));
  EXPECT_EQ(on_disk(), text("one"));
  EXPECT_EQ(table(), "one");
  EXPECT_EQ(api_.current().etag, before);
  EXPECT_EQ(live_->catalog().generation(), 1U);
}

TEST_F(live_mapping, etag_must_be_that_of_the_mapping_in_force) {
  const std::string old = api_.current().etag;
  EXPECT_EQ(api_.apply(text("two"), "\"other\", " + old, "A", false).outcome, Outcome::accepted);
  EXPECT_EQ(api_.apply(text("three"), old, "B", false).outcome, Outcome::stale);
  EXPECT_EQ(table(), "two");
}

TEST_F(live_mapping, edit_on_disk_that_is_not_in_force_is_not_overwritten) {
  write("broken");
  EXPECT_EQ(api_.apply(text("two"), api_.current().etag, "A", false).outcome, Outcome::stale);
  EXPECT_EQ(on_disk(), "broken");
  EXPECT_EQ(api_.apply(text("two"), "*", "A", false).outcome, Outcome::accepted);
}

TEST_F(live_mapping, rollback_is_a_new_version_with_the_old_text) {
  EXPECT_EQ(api_.apply(text("two"), "*", "A", false).version, 2);
  const auto change = api_.rollback(1, "B");
  EXPECT_EQ(change.outcome, Outcome::accepted) << change.message;
  EXPECT_EQ(change.version, 3);
  EXPECT_EQ(table(), "one");
  EXPECT_EQ((*api_.history(0, 1))[0].who, "B: to version 1");
  EXPECT_EQ(api_.rollback(9, "B").outcome, Outcome::unknown);
}

TEST_F(live_mapping, reload_reads_the_file_and_refuses_a_broken_one) {
  write(text("two"));
  EXPECT_TRUE(live_->reload(LiveMapping::Source::http, "x").ok);
  EXPECT_EQ(table(), "two");
  write("[[mapping]]\nnmae = 1\n");
  const auto answer = live_->reload(LiveMapping::Source::http, "x");
  EXPECT_FALSE(answer.ok);
  EXPECT_THAT(answer.text, HasSubstr(file_ + ":2:"));
  EXPECT_EQ(table(), "two");
}

TEST_F(live_mapping, change_of_the_file_that_came_from_here_is_no_reload) {
  EXPECT_EQ(api_.apply(text("two"), "*", "A", false).outcome, Outcome::accepted);
  EXPECT_TRUE(live_->reload(LiveMapping::Source::file, "x").ok);
  EXPECT_EQ(live_->catalog().generation(), 2U);
}

TEST_F(live_mapping, file_that_cannot_be_written_leaves_all_as_it_was) {
  std::filesystem::remove_all(directory_ / "mapping.toml");
  std::filesystem::create_directory(directory_ / "mapping.toml");
  const auto change = api_.apply(text("two"), "*", "A", false);
  EXPECT_EQ(change.outcome, Outcome::not_written);
  EXPECT_EQ(table(), "one");
}

TEST_F(live_mapping, same_text_again_is_no_new_version) {
  EXPECT_EQ(api_.apply(text("one"), "*", "A", false).version, 1);
  EXPECT_EQ(api_.history(0, 10)->size(), 1U);
}

TEST_F(live_mapping, mode_of_the_file_stays) {
  std::filesystem::permissions(file_, std::filesystem::perms(0640));
  ASSERT_EQ(api_.apply(text("two"), "*", "A", false).outcome, Outcome::accepted);
  EXPECT_EQ(std::filesystem::status(file_).permissions(), std::filesystem::perms(0640));
}

TEST(live_mapping_built_in, has_no_file_to_write) {
  LiveMapping live("");
  EXPECT_EQ(live.endpoints().apply("x", "*", "A", false).outcome, Outcome::no_file);
  EXPECT_FALSE(live.reload(LiveMapping::Source::http, "x").ok);
  EXPECT_THAT(live.current().text, HasSubstr("built-in"));
}

}  // namespace
}  // namespace rowgate::cli
