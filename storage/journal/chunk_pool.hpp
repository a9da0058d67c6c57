#pragma once
// The memory that records are appended to, written from and handed to the lanes in: large chunks
// that come back here when the last Batch on one is gone, and are used again.
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace rowgate::storage {

struct Chunk {
  explicit Chunk(std::size_t n) : bytes(std::make_unique_for_overwrite<char[]>(n)), size(n) {}
  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

/// Any thread. Chunks may outlive the pool.
class ChunkPool {
 public:
  /// Keeps at most `keep` chunks that nobody uses.
  explicit ChunkPool(std::size_t keep) : idle_(std::make_shared<Idle>()) {
    idle_->keep = keep;
    idle_->chunks.reserve(keep);
  }

  /// At least n bytes, with whatever is in them.
  std::shared_ptr<Chunk> take(std::size_t n) {
    std::unique_ptr<Chunk> chunk;
    {
      const std::lock_guard lock(idle_->mutex);
      auto& chunks = idle_->chunks;
      while (!chunks.empty() && (!chunk || chunk->size < n)) {
        chunk = std::move(chunks.back());
        chunks.pop_back();
      }
    }
    if (!chunk || chunk->size < n) chunk = std::make_unique<Chunk>(n);
    return {chunk.release(), [idle = idle_](Chunk* back) { idle->put(back); }};
  }

 private:
  struct Idle {
    void put(Chunk* chunk) noexcept {
      std::unique_ptr<Chunk> owned(chunk);
      const std::lock_guard lock(mutex);
      if (chunks.size() < keep) chunks.push_back(std::move(owned));
    }
    std::mutex mutex;
    std::size_t keep = 0;                        // guarded by mutex
    std::vector<std::unique_ptr<Chunk>> chunks;  // guarded by mutex
  };
  std::shared_ptr<Idle> idle_;
};

}  // namespace rowgate::storage
