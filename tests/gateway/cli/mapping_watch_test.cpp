#include "gateway/cli/mapping_watch.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace rowgate::cli {
namespace {

class mapping_watch : public testing::Test {
 protected:
  mapping_watch() { write("first"); }
  ~mapping_watch() override { std::remove(path_.c_str()); }
  void write(std::string_view text) { std::ofstream(path_, std::ios::trunc) << text; }
  const std::string path_ = testing::TempDir() + "rowgate-mapping-watch-test.toml";
};

TEST_F(mapping_watch, change_counts_once_and_when_it_has_settled) {
  MappingWatch watch(path_);
  EXPECT_FALSE(watch.changed());
  write("second text");
  EXPECT_FALSE(watch.changed()) << "it may still be written";
  EXPECT_TRUE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

TEST_F(mapping_watch, file_that_is_still_written_is_not_read) {
  MappingWatch watch(path_);
  write("half");
  EXPECT_FALSE(watch.changed());
  write("half and half");
  EXPECT_FALSE(watch.changed());
  EXPECT_TRUE(watch.changed());
}

TEST_F(mapping_watch, file_that_is_away_is_no_change) {
  MappingWatch watch(path_);
  std::remove(path_.c_str());
  EXPECT_FALSE(watch.changed());
  EXPECT_FALSE(watch.changed());
}

}  // namespace
}  // namespace rowgate::cli
