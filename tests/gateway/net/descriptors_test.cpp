#include "gateway/net/descriptors.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace rowgate::net {
namespace {

TEST(Descriptors, KeepsSomeForTheGatewayItself) {
  EXPECT_EQ(connections_within(1U << 20, 100'000), 100'000U);
  EXPECT_EQ(connections_within(1024, 100'000), 512U);
  EXPECT_EQ(connections_within(100, 100'000), 50U);
}

TEST(Descriptors, RaisesTheSoftLimitToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  rlimit after{};
  ::getrlimit(RLIMIT_NOFILE, &after);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace rowgate::net
