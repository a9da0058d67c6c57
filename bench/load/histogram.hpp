#pragma once
// Counts of durations in buckets of 1.6 % width (HDR style: 64 steps a power of two).
#include <array>
#include <bit>
#include <cstdint>

namespace rowgate::load {

/// Nanoseconds, 0 to about 18 minutes; longer ones count in the last bucket. One thread.
class Histogram {
 public:
  void add(std::uint64_t ns) noexcept {
    ++counts_[index(ns)];
    ++total_;
    if (ns > max_) max_ = ns;
  }

  void merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    if (other.max_ > max_) max_ = other.max_;
  }

  /// The upper edge of the bucket below which `share` (0 to 1) of the durations lie; 0 if none.
  std::uint64_t quantile(double share) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return upper_edge(i) < max_ ? upper_edge(i) : max_;
    }
    return max_;
  }

  std::uint64_t max() const noexcept { return max_; }
  std::uint64_t total() const noexcept { return total_; }

 private:
  static constexpr unsigned step_bits = 6;
  static constexpr std::uint64_t steps = 1U << step_bits;
  static constexpr unsigned powers = 35;  // 2^(35+6) ns

  static std::size_t index(std::uint64_t ns) noexcept {
    if (ns < steps) return ns;
    const auto power = static_cast<unsigned>(std::bit_width(ns)) - step_bits - 1;
    const std::size_t i = (power + 1) * steps + ((ns >> power) - steps);
    return i < bucket_count ? i : bucket_count - 1;
  }
  static std::uint64_t upper_edge(std::size_t i) noexcept {
    if (i < steps) return i;
    const auto power = static_cast<unsigned>(i / steps) - 1;
    return ((i % steps + steps + 1) << power) - 1;
  }

  static constexpr std::size_t bucket_count = (powers + 1) * steps;
  std::array<std::uint64_t, bucket_count> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace rowgate::load
