#include "storage/drain/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace rowgate::storage {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, DoublesUpToTheLimitWithinTheUpperHalf) {
  Backoff backoff(milliseconds(100), milliseconds(1000), 42);
  long base = 100;
  for (int i = 0; i < 20; ++i) {
    const auto wait = backoff.next().count();
    EXPECT_GE(wait, base / 2);
    EXPECT_LE(wait, base);
    base = std::min(base * 2, 1000L);
  }
}

TEST(Backoff, BeginsAnewAfterReset) {
  Backoff backoff(milliseconds(10), milliseconds(1000), 42);
  for (int i = 0; i < 10; ++i) backoff.next();
  backoff.reset();
  EXPECT_LE(backoff.next(), milliseconds(10));
}

TEST(Backoff, SeedsSpreadTheWaits) {
  std::set<long> waits;
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    waits.insert(Backoff(milliseconds(1000), milliseconds(1000), seed * 7919).next().count());
  EXPECT_GT(waits.size(), 20U);
}

TEST(Backoff, ZeroStillWaits) {
  Backoff backoff(milliseconds(0), milliseconds(0), 1);
  EXPECT_GE(backoff.next(), milliseconds(1));
}

}  // namespace
}  // namespace rowgate::storage
