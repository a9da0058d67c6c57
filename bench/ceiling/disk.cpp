#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "bench/ceiling/ceiling.hpp"

namespace rowgate::ceiling {

namespace {

class SyncFile {
 public:
  explicit SyncFile(const std::string& directory) : path_(directory + "/rowgate_ceiling.sync") {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path_);
  }
  ~SyncFile() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  SyncFile(const SyncFile&) = delete;
  SyncFile& operator=(const SyncFile&) = delete;

  void write_at(const std::vector<char>& bytes, std::size_t offset) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n != static_cast<ssize_t>(bytes.size())) {
      throw std::system_error(errno, std::generic_category(), path_);
    }
  }
  void sync() {
    if (::fdatasync(fd_) != 0) throw std::system_error(errno, std::generic_category(), path_);
  }

 private:
  std::string path_;
  int fd_ = -1;
};

double quantile(std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

void measure_disk(const std::string& directory, std::size_t syncs, Figures& figures) {
  constexpr std::size_t file_size = 64 * 1024 * 1024;
  constexpr std::size_t mebibyte = 1024 * 1024;
  SyncFile file(directory);
  // Blocks written before, as in the journal's zero-filled segments: a sync then moves no metadata.
  const std::vector<char> zeros(mebibyte, 0);
  for (std::size_t at = 0; at < file_size; at += mebibyte) file.write_at(zeros, at);
  file.sync();

  for (const std::size_t size : {std::size_t{4096}, std::size_t{65536}, mebibyte}) {
    const std::vector<char> bytes(size, 'x');
    std::vector<double> times;
    times.reserve(syncs);
    for (std::size_t i = 0; i < syncs; ++i) {
      const Stopwatch watch;
      file.write_at(bytes, i * size % file_size);
      file.sync();
      times.push_back(watch.seconds() * 1e6);
    }
    std::sort(times.begin(), times.end());
    const std::string name = fmt::format("disk.fdatasync_{}k", size / 1024);
    figures.push_back({name + ".p50_us", quantile(times, 0.5)});
    figures.push_back({name + ".p99_us", quantile(times, 0.99)});
  }
}

}  // namespace rowgate::ceiling
