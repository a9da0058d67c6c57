#pragma once
// A directory whose nth operation fails: run a scenario for n = 0, 1, 2... until none failed.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/os/file.hpp"

namespace rowgate::test {

/// Counts the operations of one FailAt directory and the files opened through it.
struct FailPlan {
  std::uint64_t fail_at = UINT64_MAX;  // this operation fails
  bool all_after = false;              // and every later one: the disk is gone
  int code = 5;                        // EIO
  std::atomic<std::uint64_t> done{0};  // operations asked for so far
  std::atomic<bool> failed{false};
  std::string operation;  // what failed, "write_at 00000000000000000000.seg"; set before `failed`
};

/// Passes everything on to `inner`, but for what the plan fails. A failed write_at writes its first
/// half, as a full disk does. path() and destructors do not count. The plan outlives the directory.
std::unique_ptr<os::Directory> fail_at(std::unique_ptr<os::Directory> inner, FailPlan& plan);

}  // namespace rowgate::test
