#pragma once
// Passwords that were verified lately, so that they need not be hashed again. Why that is safe is
// said in authenticator.hpp. Any thread.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "schema/base/time.hpp"

namespace rowgate::security {

class Remembered {
 public:
  /// Throws std::runtime_error where the system gives no random key.
  Remembered(std::size_t most, std::chrono::seconds lifetime);
  ~Remembered();
  Remembered(const Remembered&) = delete;
  Remembered& operator=(const Remembered&) = delete;

  using Digest = std::array<unsigned char, 32>;
  /// HMAC-SHA-256 of the three under this process's key.
  Digest digest(std::string_view user, std::string_view password, std::string_view hash) const;

  void add(const Digest& digest, Timestamp now);
  bool contains(const Digest& digest, Timestamp now) const;

 private:
  struct FirstBytes {  // of an HMAC: nobody without the key chooses them
    std::size_t operator()(const Digest& digest) const noexcept {
      std::size_t n = 0;
      std::memcpy(&n, digest.data(), sizeof n);
      return n;
    }
  };

  const std::size_t most_;
  const std::chrono::microseconds lifetime_;
  std::array<unsigned char, 32> key_;
  mutable std::mutex mutex_;
  std::unordered_map<Digest, Timestamp, FirstBytes> until_;  // guarded by mutex_
  std::deque<std::pair<Digest, Timestamp>> oldest_;          // guarded by mutex_; as they came
};

}  // namespace rowgate::security
