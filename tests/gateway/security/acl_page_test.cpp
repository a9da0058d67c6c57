// docs/security.md shows an ACL and a table of what it allows: both are held to what Acl says.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "gateway/security/acl.hpp"

namespace rowgate::security {
namespace {

std::string page() {
  std::ifstream in(ROWGATE_SOURCE_DIR "/docs/security.md");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The cells of a row, without spaces and backticks around them.
std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> found;
  std::istringstream row(line.substr(1));
  for (std::string cell; std::getline(row, cell, '|');) {
    const auto first = cell.find_first_not_of(" `");
    const auto last = cell.find_last_not_of(" `");
    found.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return found;
}

TEST(acl_page, the_table_says_what_the_example_allows) {
  const std::string text = page();
  const std::string fence = "```toml\n";
  const auto begin = text.find(fence) + fence.size();
  const auto end = text.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  const Acl acl = Acl::parse(text.substr(begin, end - begin), "docs/security.md");

  std::istringstream lines(text.substr(end));
  int rows = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    const auto row = cells(line);
    if (row.size() != 6 || (row[5] != "yes" && row[5] != "no")) continue;
    ++rows;
    Identity identity{row[0], {}, {}};
    if (!row[1].empty()) identity.roles.push_back(row[1]);
    const bool allowed = row[3] == "publish" ? acl.may_publish(identity, row[2], row[4])
                                             : acl.may_subscribe(identity, row[2], row[4]);
    EXPECT_EQ(allowed, row[5] == "yes") << line;
  }
  EXPECT_GE(rows, 15);
}

}  // namespace
}  // namespace rowgate::security
