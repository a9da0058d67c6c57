#include "gateway/net/admission.hpp"

#include <gtest/gtest.h>

namespace rowgate::net {
namespace {

using namespace std::chrono_literals;
constexpr Admission::Time start{1000s};

TEST(Admission, AnAddressHasItsShareAndGetsItBack) {
  Admission admission(2, 0);
  EXPECT_TRUE(admission.enter("192.0.2.1"));
  EXPECT_TRUE(admission.enter("192.0.2.1"));
  EXPECT_FALSE(admission.enter("192.0.2.1"));
  EXPECT_TRUE(admission.enter("192.0.2.2"));
  admission.leave("192.0.2.1");
  EXPECT_TRUE(admission.enter("192.0.2.1"));
  EXPECT_FALSE(admission.enter("192.0.2.1"));
}

TEST(Admission, WithoutLimitsNobodyWaits) {
  Admission admission(0, 0);
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(admission.enter("192.0.2.1"));
    ASSERT_EQ(admission.pause_after_accept(start), 0ns);
  }
}

TEST(Admission, ConnectsComeAtTheRateAfterABurst) {
  Admission admission(0, 100);
  Admission::Time now = start;
  int accepted = 0;
  while (now < start + 2s) {  // one acceptor that obeys
    now += admission.pause_after_accept(now);
    ++accepted;
  }
  EXPECT_GE(accepted, 200);
  EXPECT_LE(accepted, 212);
}

TEST(Admission, SeveralAcceptorsWaitInTurn) {
  Admission admission(0, 1);
  EXPECT_EQ(admission.pause_after_accept(start), 1s);
  EXPECT_EQ(admission.pause_after_accept(start), 2s);
  EXPECT_EQ(admission.pause_after_accept(start + 10s), 1s);
}

TEST(Admission, AnOutageIsSaidOnce) {
  Admission admission(0, 0);
  EXPECT_TRUE(admission.first_failure(start));
  for (int i = 1; i < 1000; ++i) EXPECT_FALSE(admission.first_failure(start + i * 100ms));
  EXPECT_FALSE(admission.first_failure(start + 109s));
  EXPECT_TRUE(admission.first_failure(start + 120s));
}

}  // namespace
}  // namespace rowgate::net
