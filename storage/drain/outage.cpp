#include "storage/drain/outage.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace rowgate::storage {

using std::chrono::milliseconds;

bool Outage::failed() noexcept {
  ++tries_;
  if (since_) return false;
  since_ = clock_.ticks();
  return true;
}

milliseconds Outage::pause(std::optional<Ticks> deadline) noexcept {
  if (tries_ == 0) return milliseconds(0);
  const Ticks now = clock_.ticks();
  if (!retry_at_) retry_at_ = now + backoff_.next();
  const Ticks until = deadline ? std::min(*retry_at_, *deadline) : *retry_at_;
  if (until > now) return std::chrono::ceil<milliseconds>(until - now);
  retry_at_.reset();
  return milliseconds(0);
}

void Outage::hurry() noexcept {
  if (retry_at_) retry_at_ = clock_.ticks();
}

std::optional<std::string> Outage::over() {
  backoff_.reset();
  if (!since_) return std::nullopt;
  const auto away = std::chrono::duration_cast<std::chrono::seconds>(clock_.ticks() - *since_);
  std::string text = fmt::format("{} s and {} tries", away.count(), tries_);
  since_.reset();
  tries_ = 0;
  return text;
}

}  // namespace rowgate::storage
