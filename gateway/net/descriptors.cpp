#include "gateway/net/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace rowgate::net {
namespace {

// Journal, sinks, HTTP's 64 connections, a few a thread.
constexpr std::uint64_t own_descriptors = 512;

}  // namespace

std::uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

std::uint32_t connections_within(std::uint64_t descriptors, std::uint32_t wanted) noexcept {
  const std::uint64_t kept = std::min(own_descriptors, descriptors / 2);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, descriptors - kept));
}

}  // namespace rowgate::net
