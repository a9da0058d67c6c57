#pragma once
// Notices that a file has changed on disk, by its inode, size and time of change.
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace rowgate::security {

/// One thread.
class FileWatch {
 public:
  /// An empty name is a file that never changes.
  explicit FileWatch(std::string file) : file_(std::move(file)), seen_(look()) {}

  /// Whether the file is another than at the last call. A file that is away is not a change: an
  /// editor may be replacing it.
  bool changed();
  const std::string& file() const noexcept { return file_; }

 private:
  using Mark = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;
  Mark look() const;

  std::string file_;
  Mark seen_;
};

}  // namespace rowgate::security
