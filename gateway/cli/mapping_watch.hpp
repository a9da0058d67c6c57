#pragma once
// Notices that the mapping file has changed on disk, by its size, inode and time of change. Asked
// now and then; one thread.
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace rowgate::cli {

class MappingWatch {
 public:
  explicit MappingWatch(std::string file) : file_(std::move(file)), seen_(look()) {}

  /// Whether the file is another than it was. Not before it looks the same twice: half a file that
  /// is being written may well be a mapping, and not the one that is meant. A file that is away for
  /// a moment (an editor replacing it) is not a change.
  bool changed() {
    const Mark now = look();
    if (now == Mark{} || now == seen_) return false;
    if (std::exchange(before_, now) != now) return false;
    seen_ = now;
    return true;
  }

 private:
  using Mark = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;

  Mark look() const {
    struct stat st {};
    if (file_.empty() || ::stat(file_.c_str(), &st) != 0) return {};
    return {st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
  }

  std::string file_;
  Mark seen_;
  Mark before_{};  // at the last call, if that was a change
};

}  // namespace rowgate::cli
