#include "tests/support/memory_state_store.hpp"

namespace rowgate::test {

void MemoryStateStore::load(
    const std::function<void(std::string_view key, std::string_view value)>& visit) {
  for (const auto& [key, value] : content_) visit(key, value);
}

Result<void, std::string> MemoryStateStore::commit(std::span<const Change> changes,
                                                   storage::Position checkpoint) {
  if (!failure_.empty()) return failure_;
  for (const Change& change : changes) {
    if (change.value) {
      content_[change.key] = *change.value;
    } else {
      content_.erase(change.key);
    }
  }
  checkpoint_ = checkpoint;
  ++commits_;
  return {};
}

std::unique_ptr<MemoryStateStore> MemoryStateStore::after_crash() const {
  auto copy = std::make_unique<MemoryStateStore>(checkpoint_);
  copy->content_ = content_;
  return copy;
}

}  // namespace rowgate::test
