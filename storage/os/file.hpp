#pragma once
// The seam to the disk. Implementations: posix_file.cpp (the one file with file system calls) and
// the tests' MemoryDisk and FailAt. Every call reports its error; none retries by itself except
// for EINTR and short writes. A File belongs to one thread at a time; a Directory may be shared.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/base/result.hpp"

namespace rowgate::os {

/// An operating system error: the errno, and a sentence "what, where: why"
/// ("write /data/journal/00000000000000000000.seg: No space left on device").
struct Error {
  // Not an aggregate: C++20 would make a size look convertible to an Error in Result<size, Error>.
  Error() = default;
  Error(int code_, std::string message_) : code(code_), message(std::move(message_)) {}

  int code = 0;
  std::string message;
};

class File {
 public:
  virtual ~File() = default;
  /// Reads up to n bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t, Error> read_at(std::uint64_t offset, char* to, std::size_t n) = 0;
  /// Writes all bytes at `offset`, or fails; after a failure the content there is unknown.
  virtual Result<void, Error> write_at(std::uint64_t offset, std::string_view bytes) = 0;
  /// fdatasync. After a failure nothing written since the last success may be assumed on disk, and
  /// a later success does not change that: never call it again on the same file.
  virtual Result<void, Error> sync_data() = 0;
  virtual Result<void, Error> truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t, Error> size() = 0;
};

class Directory {
 public:
  virtual ~Directory() = default;
  enum class Mode : std::uint8_t { read_only, read_write, create_new };
  virtual Result<std::unique_ptr<File>, Error> open(std::string_view name, Mode mode) = 0;
  /// Names of the regular files, sorted.
  virtual Result<std::vector<std::string>, Error> list() = 0;
  /// Atomic; replaces `to` if it exists. Durable after sync().
  virtual Result<void, Error> rename(std::string_view from, std::string_view to) = 0;
  virtual Result<void, Error> remove(std::string_view name) = 0;
  /// fsync of the directory: creations, renames and removals are on disk.
  virtual Result<void, Error> sync() = 0;
  /// Takes an exclusive lock on file `name` until the Directory is destroyed. Error code
  /// EWOULDBLOCK: another process holds it (its pid, as written in the file, is in the message).
  virtual Result<void, Error> lock(std::string_view name) = 0;
  /// For messages.
  virtual std::string path() const = 0;
};

/// Opens a directory, creating it and its parents where missing (mode 0700).
Result<std::unique_ptr<Directory>, Error> open_directory(const std::string& path);
/// Opens a directory that must exist; creates nothing. For looking at what another process owns.
Result<std::unique_ptr<Directory>, Error> open_existing_directory(const std::string& path);

/// Whole small files, outside the data path. write_file is atomic and durable: temporary file,
/// fsync, rename, directory sync.
Result<std::string, Error> read_file(Directory& directory, std::string_view name);
Result<void, Error> write_file(Directory& directory, std::string_view name, std::string_view text);

}  // namespace rowgate::os
