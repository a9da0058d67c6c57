#pragma once
// Who may connect: takes what a CONNECT brought and says who that is, or which reason code to send.
//
// What is asked, in this order; the first that applies decides:
//   1. the user of a client certificate (`certificate_user`), which TLS has verified already
//   2. a JWT, where a key set is configured and the password looks like one
//   3. the users file, where there is one
//   4. anonymous, where that is allowed
// A user name in CONNECT that is not the certificate's or the token's is refused: nobody is let in
// under two names. Where nothing is configured that could check a password (no users file, no key
// set) and anonymous is allowed, user name and password are ignored: the identity is anonymous, and
// never a name that nobody has checked.
//
// Argon2id takes some 25 ms and 19 MiB a password by design, so that happens on threads of its own
// and never on an I/O thread. The queue to them is bounded; addresses are served in turn and none
// may hold more than a quarter of it, so that one that guesses does not keep the others out. An
// unknown user costs the same time as a wrong password.
//
// Verifications that succeeded are remembered for an hour, so that a fleet that reconnects does not
// queue for 25 ms each. That is safe, because
//   - what is kept is HMAC-SHA-256, under a random key that never leaves this process, of user,
//     password and stored hash: no password, and nothing that helps without the key. Whoever reads
//     this process's memory reads passwords as they arrive in any case;
//   - the stored hash is part of it: a changed password or a removed user counts at once;
//   - only a right password is ever found there: a wrong one costs the full hash every time, and
//     the time of an answer tells nothing to somebody who does not know the password;
//   - it is bounded, and lost when the process ends.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/mqtt/types.hpp"
#include "gateway/security/file_error.hpp"
#include "gateway/security/identity.hpp"

namespace rowgate::security {

/// What a CONNECT brought, and what the connection knows beside it.
struct Credentials {
  std::string client_id;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  std::string certificate_user;  // of a verified client certificate; empty: none
  std::string address;           // the client's, without its port
};

struct Verdict {
  /// success, bad_user_name_or_password 0x86, not_authorized 0x87 (no credentials, and anonymous is
  /// not allowed), server_unavailable 0x88 (stopping), server_busy 0x89 (the queue is full).
  mqtt::ReasonCode code = mqtt::ReasonCode::not_authorized;
  Identity identity;        // where code is success
  const char* reason = "";  // for the log only, never for the client; a string literal
};

class Authenticator {
 public:
  struct Options {
    std::string users;                  // file; empty: no passwords
    std::string jwks;                   // file; empty: no tokens
    std::string jwt_audience;           // empty: not checked
    std::string jwt_issuer;             // empty: not checked
    bool anonymous = false;             // whether a CONNECT without credentials is let in
    unsigned threads = 0;               // that hash; 0: one for two cores, at most 8
    std::size_t queue = 4096;           // passwords that may wait
    std::chrono::seconds patience{10};  // one that has waited longer is answered server_busy
    std::size_t remembered = 65'536;    // verifications; 0: none
    std::chrono::seconds remember_for{3600};
    std::function<Timestamp()> now;  // empty: the system's clock
  };

  /// Reads the files. `warnings`: where not null, sentences for the log (a file of secrets that
  /// everybody may read). Throws FileError.
  explicit Authenticator(Options options, std::vector<std::string>* warnings = nullptr);
  /// What still waits is answered server_unavailable, on the thread that destroys.
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// Any thread. `done` is called exactly once: before this returns where nothing has to be hashed,
  /// else later on a hashing thread. It must not block, throw, or destroy the Authenticator.
  void authenticate(Credentials credentials, std::function<void(Verdict&&)> done);

  /// Reads the users file and the key set again if they have changed on disk; true: something did.
  /// Throws FileError for a broken file: the one before stays, and the same one is not tried again
  /// until it changes. One thread at a time; beside authenticate().
  bool reload(std::vector<std::string>* warnings = nullptr);

  struct Counts {
    std::uint64_t accepted = 0, refused = 0, busy = 0;
    std::uint64_t hashed = 0, remembered = 0;  // how many passwords were hashed, how many were not
  };
  Counts counts() const noexcept;  // any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rowgate::security
