#pragma once
// What lanes read back from segments while they catch up. Every lane reads all of the journal, one
// soon after the other: a run that one has read and verified is kept a while for the others.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "storage/journal/batch.hpp"
#include "storage/journal/chunk_pool.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

class SegmentStore;

/// Any thread.
class RunCache {
 public:
  /// Keeps the runs read last, of together at most `bytes`. `store` outlives it.
  RunCache(const SegmentStore& store, std::uint32_t seed, std::size_t bytes);

  /// Whole records around `from`, of [.., until), as SegmentStore::read_run().
  std::shared_ptr<const Batch> read(Position from, Position until);
  /// No lane reads below `flushed` again.
  void trim(Position flushed);

 private:
  void drop_oldest();

  const SegmentStore& store_;
  const std::uint32_t seed_;
  const std::size_t bytes_;
  ChunkPool chunks_;

  std::mutex mutex_;                               // guards what follows
  std::deque<std::shared_ptr<const Batch>> runs_;  // in the order in which they were read
  std::size_t held_ = 0;
};

}  // namespace rowgate::storage
