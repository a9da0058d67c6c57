#pragma once
// A disk in memory that knows what is synced, so that a test may ask what a power cut would leave.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "storage/os/file.hpp"

namespace rowgate::test {

/// One directory on one disk. Copies share the disk. Any thread.
class MemoryDisk {
 public:
  MemoryDisk();

  /// A handle as a process holds it: its lock goes when it is destroyed. The disk stays.
  std::unique_ptr<os::Directory> directory() const;

  /// The disk as it might be after a power cut now. What was synced is there. Of writes not synced,
  /// each 512-byte sector is there or is not; of creations, renames and removals not synced, the
  /// first so many are there. The seed decides.
  MemoryDisk crash_clone(std::uint64_t seed) const;
  /// The disk as it is now, with everything on it synced: what a killed process leaves.
  MemoryDisk clone() const;

  /// The next fdatasync fails, whatever the file: any of its sectors not synced are on disk then,
  /// and the others never will be, though reading shows them until a power cut. The seed decides.
  void fail_next_sync(std::uint64_t seed) const;

  // Straight to the content, for tests that damage or compare it. A missing file is empty.
  std::string content(std::string_view name) const;
  void set_content(std::string_view name, std::string bytes);
  void remove(std::string_view name);
  std::map<std::string, std::string> files() const;

  struct State;

 private:
  explicit MemoryDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace rowgate::test
