#include "gateway/net/refusal_log.hpp"

#include <gtest/gtest.h>

namespace rowgate::net {
namespace {

using std::chrono::milliseconds;

TEST(RefusalLog, NamesOneASecondAndCountsTheOthers) {
  RefusalLog log;
  const RefusalLog::Ticks start{};
  EXPECT_EQ(log.refused(start), 0U);
  EXPECT_EQ(log.refused(start), std::nullopt);
  EXPECT_EQ(log.refused(start + milliseconds(999)), std::nullopt);
  EXPECT_EQ(log.refused(start + milliseconds(1000)), 2U);
  EXPECT_EQ(log.refused(start + milliseconds(1500)), std::nullopt);
  EXPECT_EQ(log.refused(start + milliseconds(9000)), 1U);
  EXPECT_EQ(log.refused(start + milliseconds(19000)), 0U);
}

}  // namespace
}  // namespace rowgate::net
