#pragma once
// What the lanes of one sink have to say, each sentence once between them. Any thread.
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace rowgate::storage {

class Notes {
 public:
  /// Those that nobody had before.
  std::vector<std::string> unsaid(std::vector<std::string> notes);

 private:
  std::mutex mutex_;
  std::set<std::string> said_;
};

}  // namespace rowgate::storage
