// The one file with file system calls (POSIX, Linux).
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "storage/os/file.hpp"

namespace rowgate::os {
namespace {

Error error_now(std::string_view what, const std::string& where) {
  const int code = errno;
  return {code, fmt::format("{} {}: {}", what, where, std::generic_category().message(code))};
}

/// Calls until the answer is not EINTR.
template <class Call>
auto uninterrupted(Call call) {
  auto answer = call();
  while (answer < 0 && errno == EINTR) answer = call();
  return answer;
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) noexcept
      : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::size_t, Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    std::size_t done = 0;
    while (done < n) {
      const auto got = uninterrupted([&] {
        return ::pread(fd_.get(), to + done, n - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) return error_now("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void, Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto put = uninterrupted([&] {
        return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      });
      if (put < 0) return error_now("write", path_);
      offset += static_cast<std::uint64_t>(put);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  // Not repeated after EINTR: the kernel may have reported, and so forgotten, a write error.
  Result<void, Error> sync_data() override {
    if (::fdatasync(fd_.get()) < 0) return error_now("fdatasync", path_);
    return {};
  }

  Result<void, Error> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) < 0) {
      return error_now("truncate", path_);
    }
    return {};
  }

  Result<std::uint64_t, Error> size() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) < 0) return error_now("stat", path_);
    return static_cast<std::uint64_t>(st.st_size);
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(Descriptor fd, std::string path) noexcept
      : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>, Error> open(std::string_view name, Mode mode) override {
    int flags = O_CLOEXEC | O_NOFOLLOW;
    if (mode == Mode::read_only) flags |= O_RDONLY;
    if (mode == Mode::read_write) flags |= O_RDWR;
    if (mode == Mode::create_new) flags |= O_RDWR | O_CREAT | O_EXCL;
    const std::string path = where(name);
    Descriptor fd(
        uninterrupted([&] { return ::openat(fd_.get(), std::string(name).c_str(), flags, 0600); }));
    if (!fd) return error_now(mode == Mode::create_new ? "create" : "open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
  }

  Result<std::vector<std::string>, Error> list() override {
    // A descriptor of its own: reading moves the descriptor's offset, and callers share fd_.
    const int copy = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return error_now("open", path_);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(copy), ::closedir);
    if (!dir) {
      const Error error = error_now("list", path_);
      ::close(copy);
      return error;
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir.get())) {
      struct stat st {};
      const bool regular = entry->d_type == DT_REG ||
                           (entry->d_type == DT_UNKNOWN &&
                            ::fstatat(fd_.get(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                            S_ISREG(st.st_mode));
      if (regular) names.emplace_back(entry->d_name);
      errno = 0;
    }
    if (errno != 0) return error_now("list", path_);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void, Error> rename(std::string_view from, std::string_view to) override {
    if (::renameat(fd_.get(), std::string(from).c_str(), fd_.get(), std::string(to).c_str()) < 0) {
      return error_now(fmt::format("rename {} to", where(from)), where(to));
    }
    return {};
  }

  Result<void, Error> remove(std::string_view name) override {
    if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) < 0) {
      return error_now("remove", where(name));
    }
    return {};
  }

  Result<void, Error> sync() override {
    if (::fsync(fd_.get()) < 0) return error_now("fsync", path_);
    return {};
  }

  Result<void, Error> lock(std::string_view name) override {
    const std::string path = where(name);
    Descriptor fd(
        ::openat(fd_.get(), std::string(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return error_now("open", path);
    if (uninterrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
      if (errno != EWOULDBLOCK) return error_now("lock", path);
      char pid[32] = {};
      const auto n = ::pread(fd.get(), pid, sizeof pid - 1, 0);
      std::string holder(pid, n > 0 ? static_cast<std::size_t>(n) : 0U);
      while (!holder.empty() && holder.back() == '\n') holder.pop_back();
      return Error{EWOULDBLOCK, fmt::format("lock {}: held by another process{}", path,
                                            holder.empty() ? "" : " (pid " + holder + ")")};
    }
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) < 0 ||
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return error_now("write", path);
    }
    lock_ = std::move(fd);
    return {};
  }

  std::string path() const override { return path_; }

 private:
  std::string where(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

  Descriptor fd_;
  Descriptor lock_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<Directory>, Error> open_existing_directory(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return error_now("open directory", path);
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(fd), path));
}

Result<std::unique_ptr<Directory>, Error> open_directory(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) < 0) {
      // A parent on a read-only file system answers EROFS or EACCES though it exists.
      struct stat st {};
      const int code = errno;
      if (::stat(part.c_str(), &st) < 0 || !S_ISDIR(st.st_mode)) {
        errno = code;
        return error_now("create directory", part);
      }
      continue;
    }
    // The new directory's own entry must survive a crash as its files do.
    const auto slash = part.rfind('/');
    const std::string parent =
        slash == std::string::npos ? "." : part.substr(0, std::max<std::size_t>(slash, 1));
    const Descriptor above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!above || ::fsync(above.get()) < 0) return error_now("fsync", parent);
  }
  return open_existing_directory(path);
}

Result<std::string, Error> read_file(Directory& directory, std::string_view name) {
  auto file = directory.open(name, Directory::Mode::read_only);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  std::string text(static_cast<std::size_t>(*size), '\0');
  const auto got = (*file)->read_at(0, text.data(), text.size());
  if (!got) return got.error();
  text.resize(*got);
  return text;
}

Result<void, Error> write_file(Directory& directory, std::string_view name, std::string_view text) {
  const std::string temporary = fmt::format("{}.new", name);
  if (auto names = directory.list(); !names) {
    return names.error();
  } else if (std::binary_search(names->begin(), names->end(), temporary)) {
    // Left behind by a crash in the middle of an earlier write_file.
    if (auto gone = directory.remove(temporary); !gone) return gone.error();
  }
  auto file = directory.open(temporary, Directory::Mode::create_new);
  if (!file) return file.error();
  if (auto done = (*file)->write_at(0, text); !done) return done.error();
  if (auto done = (*file)->sync_data(); !done) return done.error();
  if (auto done = directory.rename(temporary, name); !done) return done.error();
  return directory.sync();
}

}  // namespace rowgate::os
