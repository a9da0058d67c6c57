#pragma once
// Passwords that wait for a hashing thread: bounded, and fair to addresses. Any thread.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/security/authenticator.hpp"

namespace rowgate::security {

/// One password to verify.
struct Attempt {
  std::string user;
  std::string password;
  std::string hash;    // the user's, or the dummy
  bool known = false;  // whether there is such a user with a password
  std::string address;
  Timestamp since;
  std::function<void(Verdict&&)> done;
};

/// Addresses are served in turn, an address's attempts in their order. No address has more than a
/// quarter of the places.
class HashQueue {
 public:
  explicit HashQueue(std::size_t places);

  /// False: full, and `attempt` is as it was.
  bool push(Attempt& attempt);
  /// Waits for the next; nullopt: closed.
  std::optional<Attempt> pop();
  /// pop() returns nullopt from now on, and push() false. What still waited.
  std::vector<Attempt> close();

 private:
  const std::size_t places_;
  const std::size_t share_;
  std::mutex mutex_;
  std::condition_variable filled_;
  // All guarded by mutex_.
  std::unordered_map<std::string, std::deque<Attempt>> waiting_;  // by address; none is empty
  std::list<std::string> turns_;  // the addresses in waiting_, whose turn is next in front
  std::size_t size_ = 0;
  bool closed_ = false;
};

}  // namespace rowgate::security
