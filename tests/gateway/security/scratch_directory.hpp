#pragma once
// A directory of a test's own, gone with it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace rowgate::security {

class ScratchDirectory : public testing::Test {
 protected:
  ScratchDirectory() {
    std::string name = testing::TempDir() + "rowgate-security-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    directory_ = name;
  }
  ~ScratchDirectory() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  /// As an editor does: the new file in the old one's place.
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name) + ".new", std::ios::binary) << text;
    std::filesystem::rename(path(name) + ".new", path(name));
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::filesystem::path directory_;
};

}  // namespace rowgate::security
