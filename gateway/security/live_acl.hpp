#pragma once
// The Acl now in force. Replaced whole on reload; readers keep the one they took.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/security/acl.hpp"
#include "gateway/security/file_watch.hpp"

namespace rowgate::security {

/// Any thread, but for reload(). A per-connection cache compares generation(), one load, and takes
/// the mutex of get() only when it is another.
class LiveAcl {
 public:
  /// Reads the file; an empty name: Acl::built_in(). Throws FileError.
  explicit LiveAcl(std::string file);

  std::shared_ptr<const Acl> get() const;
  /// Begins at 1, and grows with each reload.
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

  /// Reads the file again if it has changed on disk; true: it did. Throws FileError for a broken
  /// file: the Acl before stays, and the same file is not tried again. One thread at a time.
  bool reload();

 private:
  FileWatch watch_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Acl> acl_;  // guarded by mutex_
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace rowgate::security
