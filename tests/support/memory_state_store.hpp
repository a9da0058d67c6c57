#pragma once
// A state store without a file: what is committed is what a crash leaves, and commits fail when a
// test says so. One thread, as any StateStore; a test looks at it while nothing uses it.
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "storage/state/state_store.hpp"

namespace rowgate::test {

class MemoryStateStore final : public storage::StateStore {
 public:
  explicit MemoryStateStore(storage::Position first = {}) : checkpoint_(first) {}

  storage::Position checkpoint() const noexcept override { return checkpoint_; }
  void load(
      const std::function<void(std::string_view key, std::string_view value)>& visit) override;
  [[nodiscard]] Result<void, std::string> commit(std::span<const Change> changes,
                                                 storage::Position checkpoint) override;

  /// Every commit answers with this sentence and changes nothing, until it is empty.
  void fail_commits(std::string why) { failure_ = std::move(why); }
  /// What the next start finds: all that was committed, and no failure any more.
  std::unique_ptr<MemoryStateStore> after_crash() const;

  const std::map<std::string, std::string>& content() const noexcept { return content_; }
  /// Those that succeeded.
  std::size_t commits() const noexcept { return commits_; }

 private:
  std::map<std::string, std::string> content_;
  storage::Position checkpoint_;
  std::string failure_;
  std::size_t commits_ = 0;
};

}  // namespace rowgate::test
