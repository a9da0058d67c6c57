#include "gateway/cli/mapping_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "gateway/config/config.hpp"

namespace rowgate::cli {
namespace {

using testing::HasSubstr;

class mapping_source : public testing::Test {
 protected:
  ~mapping_source() override { std::remove(path_.c_str()); }
  void write(std::string_view text) { std::ofstream(path_, std::ios::trunc) << text; }
  static std::string refusal(const std::string& file) {
    try {
      load_catalog(file, 1);
    } catch (const config::ConfigError& e) {
      return e.what();
    }
    return "";
  }
  const std::string path_ = testing::TempDir() + "rowgate-mapping-source-test.toml";
};

TEST_F(mapping_source, without_a_file_the_mapping_is_the_built_in_one) {
  const auto catalog = load_catalog("", 1);
  ASSERT_EQ(catalog->mappings.size(), 1U);
  EXPECT_TRUE(catalog->mappings[0].built_in);
}

TEST_F(mapping_source, reads_a_file_and_numbers_its_catalog) {
  write(
      "[[mapping]]\nname = 'a'\ntopic = 'a/{x}'\ntable = 'a'\npayload = 'scalar'\n"
      "[mapping.columns]\nx = { topic = 'x', type = 'text' }\n"
      "value = { from = '', type = 'double' }\n");
  const auto catalog = load_catalog(path_, 7);
  ASSERT_EQ(catalog->mappings.size(), 1U);
  EXPECT_EQ(catalog->mappings[0].name, "a");
  EXPECT_EQ(catalog->generation, 7U);
}

TEST_F(mapping_source, broken_file_is_refused_with_file_line_and_column) {
  write("[[mapping]]\nnmae = 'a'\n");
  EXPECT_THAT(refusal(path_), HasSubstr(path_ + ":2:"));
}

TEST_F(mapping_source, missing_file_is_named_with_the_reason) {
  EXPECT_THAT(refusal("/nonexistent/plant.toml"), HasSubstr("/nonexistent/plant.toml"));
  EXPECT_THAT(refusal("/nonexistent/plant.toml"), HasSubstr("No such file"));
}

TEST_F(mapping_source, directory_in_place_of_the_file_is_refused) {
  EXPECT_THAT(refusal("/tmp"), HasSubstr("cannot read the mapping file /tmp"));
}

}  // namespace
}  // namespace rowgate::cli
