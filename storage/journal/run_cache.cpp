#include "storage/journal/run_cache.hpp"

#include "storage/journal/segment_store.hpp"

namespace rowgate::storage {
namespace {

// Two lanes that take turns need no more than a run each.
constexpr std::size_t idle_chunks = 2;

}  // namespace

RunCache::RunCache(const SegmentStore& store, std::uint32_t seed, std::size_t bytes)
    : store_(store), seed_(seed), bytes_(bytes), chunks_(idle_chunks) {}

std::shared_ptr<const Batch> RunCache::read(Position from, Position until) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& run : runs_) {
      if (run->first() <= from && from < run->end()) return run;
    }
  }
  // Two lanes may read the same at once, which costs less than one that waits for the other.
  auto run = store_.read_run(from, until, seed_, chunks_);
  const std::lock_guard lock(mutex_);
  held_ += run->bytes().size();
  runs_.push_back(run);
  while (held_ > bytes_) drop_oldest();
  return run;
}

void RunCache::trim(Position flushed) {
  const std::lock_guard lock(mutex_);
  while (!runs_.empty() && runs_.front()->end() <= flushed) drop_oldest();
}

void RunCache::drop_oldest() {
  held_ -= runs_.front()->bytes().size();
  runs_.pop_front();
}

}  // namespace rowgate::storage
