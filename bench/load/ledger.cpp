#include "bench/load/ledger.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <system_error>

namespace rowgate::load {

namespace {
constexpr std::size_t flush_at = 64 * 1024;
constexpr std::size_t longest_line = 64;
}  // namespace

Ledger::Ledger(const std::string& path) {
  if (path.empty()) return;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "--ledger " + path);
  buffer_.reserve(flush_at + longest_line);
}

Ledger::~Ledger() {
  if (fd_ < 0) return;
  flush();
  ::close(fd_);
}

void Ledger::record(std::string_view client, std::uint64_t sequence) {
  buffer_ += client;
  buffer_ += '\t';
  const fmt::format_int text(sequence);
  buffer_.append(text.data(), text.size());
  buffer_ += '\n';
  if (buffer_.size() >= flush_at) flush();
}

void Ledger::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      // A ledger with holes would report losses that are none: stop the run instead.
      std::perror("rowgate_load: cannot write the ledger");
      std::_Exit(1);
    }
    done += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

}  // namespace rowgate::load
