#include "gateway/broker/ledger.hpp"

#include <gtest/gtest.h>

namespace rowgate::broker {
namespace {

TEST(ledger, sums_what_each_thread_counted) {
  Ledger ledger(3, 2);
  ledger.received(0, {0});
  ledger.received(2, {0});
  ledger.received(1, {1});
  ledger.dropped(1, {1});
  EXPECT_EQ(ledger.counts({0}).received, 2U);
  EXPECT_EQ(ledger.counts({0}).dropped, 0U);
  EXPECT_EQ(ledger.counts({1}).received, 1U);
  EXPECT_EQ(ledger.counts({1}).dropped, 1U);
}

TEST(ledger, sums_the_traffic_of_all_threads) {
  Ledger ledger(2, 1);
  ledger.passed(0, Traffic::bytes_received, 100);
  ledger.passed(1, Traffic::bytes_received, 20);
  ledger.passed(1, Traffic::messages_sent);
  const auto sum = ledger.traffic();
  EXPECT_EQ(sum[static_cast<std::size_t>(Traffic::bytes_received)], 120U);
  EXPECT_EQ(sum[static_cast<std::size_t>(Traffic::messages_sent)], 1U);
  EXPECT_EQ(sum[static_cast<std::size_t>(Traffic::bytes_sent)], 0U);
}

}  // namespace
}  // namespace rowgate::broker
