#pragma once
// A directory of a test's own and the streams of a verb, for the tests of the verbs.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gateway/cli/verbs.hpp"

namespace rowgate::cli {

class Scratch : public testing::Test {
 protected:
  Scratch() {
    std::string name = testing::TempDir() + "rowgate-cli-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    directory_ = name;
    config_.data_dir = directory_.string();
  }
  ~Scratch() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string write(const std::string& name, std::string_view text) const {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  using VerbFunction = int (*)(const CommandLine&, const config::Config&, Streams);
  /// What the verb printed; its exit code is in exit_code_.
  std::string run(VerbFunction verb, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    exit_code_ = verb(command_, config_, {in, out, err});
    errors_ = err.str();
    return out.str();
  }
  /// What it threw; empty: nothing.
  template <class Error>
  std::string refusal(VerbFunction verb) {
    try {
      run(verb);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path directory_;
  CommandLine command_;
  config::Config config_;
  int exit_code_ = -1;
  std::string errors_;
};

inline constexpr std::string_view climate_mapping = R"(
[[mapping]]
name = "room-climate"
topic = "site/{site}/climate"
table = "room_climate"
payload = "json"
[mapping.columns]
site = { topic = "site", type = "text" }
temperature = { from = "/temp", type = "double", required = true }
)";

}  // namespace rowgate::cli
