#pragma once
// All chance in a simulation comes from one of these. splitmix64: the same on every platform.
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace rowgate::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// In [0, n).
  std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) noexcept {
    return least + below(most - least + 1);
  }
  /// In one case of n; never for 0.
  bool one_in(std::uint64_t n) noexcept { return n != 0 && below(n) == 0; }
  template <class T>
  T any_of(std::initializer_list<T> values) noexcept {
    return values.begin()[static_cast<std::size_t>(below(values.size()))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace rowgate::simulation
