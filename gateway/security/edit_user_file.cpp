// Replaces the users file on disk: all of the new one or all of the old one, whatever happens.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "gateway/security/user_file.hpp"

namespace rowgate::security {
namespace {

[[noreturn]] void fail(const std::string& file, const char* what) {
  throw FileError(fmt::format("{}: {}: {}", file, what, std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Where a symbolic link leads: its target is replaced, not the link.
std::string resolved(const std::string& file) {
  const std::unique_ptr<char, void (*)(void*)> path(::realpath(file.c_str(), nullptr), &std::free);
  return path ? std::string(path.get()) : file;
}

std::string directory_of(const std::string& file) {
  const auto slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

void write_all(int fd, std::string_view bytes, const std::string& file) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(file, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// Removes the temporary file where something goes wrong before the rename.
class Temporary {
 public:
  Temporary(const std::string& file, const struct stat* old)
      : name_(file + ".XXXXXX"), fd_(::mkostemp(name_.data(), O_CLOEXEC)) {
    if (fd_.get() < 0) fail(file, "cannot write beside it");
    if (old == nullptr) return;  // mkostemp: for the owner only
    // Another owner can be kept only by root. That this user's file takes the place is then what
    // the one who edits it asked for; but a group that may read it is never given it by accident.
    const bool kept = ::fchown(fd_.get(), old->st_uid, old->st_gid) == 0 ||
                      ::fchown(fd_.get(), static_cast<uid_t>(-1), old->st_gid) == 0;
    const mode_t mode = old->st_mode & (kept ? 0777U : 0700U);
    if (::fchmod(fd_.get(), mode) != 0) fail(file, "fchmod");
  }
  ~Temporary() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void replace(const std::string& file, std::string_view text) {
    write_all(fd_.get(), text, name_);
    if (::fsync(fd_.get()) != 0) fail(name_, "fsync");
    if (::rename(name_.c_str(), file.c_str()) != 0) fail(file, "rename");
    name_.clear();
  }

 private:
  std::string name_;
  Descriptor fd_;
};

}  // namespace

void edit_user_file(const std::string& file, const std::function<void(UserFile&)>& change) {
  const std::string path = resolved(file);
  const std::string directory = directory_of(path);
  const Descriptor lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) fail(directory, "open");
  // The directory and not the file: the file is another one after each edit.
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) fail(directory, "flock");
  }
  struct stat old {};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) fail(path, "stat");
  UserFile users = exists ? UserFile::read(path) : UserFile();
  change(users);
  Temporary(path, exists ? &old : nullptr).replace(path, users.text());
  if (::fsync(lock.get()) != 0) fail(directory, "fsync");
}

std::string permission_warning(const std::string& file, std::string_view what) {
  struct stat st {};
  if (::stat(file.c_str(), &st) != 0) return "";
  const char* who = (st.st_mode & S_IROTH) != 0               ? "everybody may read"
                    : (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "others than its owner may write"
                                                              : nullptr;
  if (who == nullptr) return "";
  return fmt::format("{}: {} {}; chmod 600 it", file, who, what);
}

}  // namespace rowgate::security
