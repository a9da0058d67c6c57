#pragma once
// The ids of what a filter takes, page by page, as they were at the start: what is written
// meanwhile, by a gateway or by the replay itself, is not walked again. One thread.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "storage/replay/kept_sql.hpp"

namespace rowgate::storage {

class KeptPages {
 public:
  struct Limits {
    std::size_t messages = 500;        // a page
    std::size_t bytes = 4U << 20;      // of payload a page; one message may have more
    std::uint64_t total = UINT64_MAX;  // messages, then it ends
  };
  /// The lane is connected, and outlives the pages.
  KeptPages(SinkLane& lane, const KeptSql& sql, const KeptFilter& filter, Limits limits);

  /// Once, before next(). Outside a transaction, as next().
  SinkResult<void> open();
  /// In order of the ids; empty: the end.
  SinkResult<std::vector<std::uint64_t>> next();
  /// It ended at limits.total, and there is more.
  bool cut() const noexcept { return cut_; }

 private:
  struct Entry {
    std::uint64_t id;
    std::size_t bytes;
  };
  SinkResult<void> fetch();

  SinkLane& lane_;
  const KeptSql& sql_;
  KeptFilter filter_;
  Limits limits_;
  TopicFilter topics_;
  std::deque<Entry> waiting_;
  bool fetched_all_ = false;
  bool cut_ = false;
  std::uint64_t given_ = 0;
};

}  // namespace rowgate::storage
