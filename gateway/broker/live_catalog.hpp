#pragma once
// The Catalog now in force. Replaced whole on reload; readers keep the one they took.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "schema/mapping.hpp"

namespace rowgate::broker {

/// Any thread. A mutex, not std::atomic<std::shared_ptr>, because it is taken once a batch, and the
/// publish path reads only `generation()`.
class LiveCatalog {
 public:
  explicit LiveCatalog(std::shared_ptr<const schema::Catalog> catalog)
      : catalog_(std::move(catalog)), generation_(catalog_->generation) {}

  std::shared_ptr<const schema::Catalog> get() const {
    const std::lock_guard lock(mutex_);
    return catalog_;
  }
  void set(std::shared_ptr<const schema::Catalog> catalog) {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
    generation_.store(catalog_->generation, std::memory_order_release);
  }
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const schema::Catalog> catalog_;  // guarded by mutex_
  std::atomic<std::uint64_t> generation_;
};

}  // namespace rowgate::broker
