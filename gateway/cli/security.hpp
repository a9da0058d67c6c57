#pragma once
// Who may connect and what they may do, as the configuration says: builds and reloads what
// gateway/security offers. Main thread.
#include <string>
#include <vector>

#include "gateway/config/config.hpp"
#include "gateway/security/authenticator.hpp"
#include "gateway/security/live_acl.hpp"

namespace rowgate::cli {

/// Whether a client without credentials is let in; see `security.anonymous`.
bool is_anonymous_allowed(const config::Config& config);

class Security {
 public:
  /// Makes the bootstrap user where the users file is missing, and reads the files. Says in the log
  /// what an operator should know. Throws ConfigError.
  explicit Security(const config::Config& config);

  security::Authenticator& authenticator() noexcept { return authenticator_; }
  security::LiveAcl& acl() noexcept { return acl_; }
  /// Takes over files that have changed; a broken one is logged, and what was in force stays.
  void reload();

 private:
  std::vector<std::string> warnings_;  // of the files just read
  security::Authenticator authenticator_;
  security::LiveAcl acl_;
};

}  // namespace rowgate::cli
