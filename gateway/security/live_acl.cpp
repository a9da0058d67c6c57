#include "gateway/security/live_acl.hpp"

#include <utility>

namespace rowgate::security {
namespace {

std::shared_ptr<const Acl> load(const std::string& file) {
  return std::make_shared<const Acl>(file.empty() ? Acl::built_in() : Acl::read(file));
}

}  // namespace

LiveAcl::LiveAcl(std::string file) : watch_(std::move(file)), acl_(load(watch_.file())) {}

std::shared_ptr<const Acl> LiveAcl::get() const {
  const std::lock_guard lock(mutex_);
  return acl_;
}

bool LiveAcl::reload() {
  if (!watch_.changed()) return false;
  auto acl = load(watch_.file());
  const std::lock_guard lock(mutex_);
  acl_ = std::move(acl);
  generation_.fetch_add(1, std::memory_order_release);
  return true;
}

}  // namespace rowgate::security
