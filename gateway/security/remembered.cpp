#include "gateway/security/remembered.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <string>

#include "schema/base/bytes.hpp"

namespace rowgate::security {

Remembered::Remembered(std::size_t most, std::chrono::seconds lifetime)
    : most_(most), lifetime_(lifetime), key_() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) {
    throw std::runtime_error("the system gives no random numbers for the key of passwords");
  }
}

Remembered::~Remembered() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

Remembered::Digest Remembered::digest(std::string_view user, std::string_view password,
                                      std::string_view hash) const {
  std::string all;
  all.reserve(user.size() + password.size() + hash.size() + 16);
  Writer writer(all);
  writer.le(std::uint64_t{user.size()});  // so that no two of them run together
  writer.le(std::uint64_t{password.size()});
  writer.bytes(user);
  writer.bytes(password);
  writer.bytes(hash);
  Digest digest{};
  const bool made = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                         reinterpret_cast<const unsigned char*>(all.data()), all.size(),
                         digest.data(), nullptr) != nullptr;
  OPENSSL_cleanse(all.data(), all.size());
  if (!made) throw std::bad_alloc();
  return digest;
}

void Remembered::add(const Digest& digest, Timestamp now) {
  if (most_ == 0) return;
  const std::lock_guard lock(mutex_);
  const Timestamp until{now.micros + lifetime_.count()};
  while (!oldest_.empty() && (oldest_.front().second <= now || oldest_.size() >= most_)) {
    // One that was added again since is still there for the later entry.
    const auto found = until_.find(oldest_.front().first);
    if (found != until_.end() && found->second == oldest_.front().second) until_.erase(found);
    oldest_.pop_front();
  }
  until_[digest] = until;
  oldest_.emplace_back(digest, until);
}

bool Remembered::contains(const Digest& digest, Timestamp now) const {
  const std::lock_guard lock(mutex_);
  const auto found = until_.find(digest);
  return found != until_.end() && now < found->second;
}

}  // namespace rowgate::security
