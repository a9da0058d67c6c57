#include "gateway/net/admission.hpp"

#include <algorithm>

namespace rowgate::net {
namespace {

constexpr std::chrono::nanoseconds second{1'000'000'000};
constexpr std::chrono::seconds outage_ends{10};

}  // namespace

Admission::Admission(std::uint32_t per_address, std::uint32_t per_second)
    : per_address_(per_address),
      interval_(per_second == 0 ? std::chrono::nanoseconds{0} : second / per_second),
      burst_(interval_ * (per_second / 10)) {}

bool Admission::enter(const std::string& address) {
  if (per_address_ == 0) return true;
  const std::lock_guard lock(mutex_);
  std::uint32_t& count = connections_[address];
  if (count >= per_address_) return false;
  ++count;
  return true;
}

void Admission::leave(const std::string& address) {
  if (per_address_ == 0) return;
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(address);
  if (found != connections_.end() && --found->second == 0) connections_.erase(found);
}

// A token bucket told as a time: each connect moves `next_` on by an interval, and it never lags
// behind by more than the burst.
std::chrono::nanoseconds Admission::pause_after_accept(Time now) {
  if (interval_.count() == 0) return std::chrono::nanoseconds{0};
  const std::lock_guard lock(mutex_);
  next_ = std::max(next_, now - burst_) + interval_;
  return std::max(next_ - now, std::chrono::nanoseconds{0});
}

bool Admission::first_failure(Time now) {
  const std::lock_guard lock(mutex_);
  const bool first = failed_ == Time{} || now - failed_ > outage_ends;
  failed_ = now;
  return first;
}

}  // namespace rowgate::net
