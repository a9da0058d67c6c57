#include "gateway/cli/security.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/ip/address.hpp>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "gateway/security/password_hash.hpp"
#include "gateway/security/user_file.hpp"

namespace rowgate::cli {
namespace {

bool is_loopback(const config::Endpoint& listen) {
  if (listen.host.empty() || listen.host == "localhost") return true;
  boost::system::error_code not_an_address;
  const auto address = boost::asio::ip::make_address(listen.host, not_an_address);
  return !not_an_address && address.is_loopback();
}

bool are_all_loopback(const config::Config& config) {
  return is_loopback(config.mqtt.listen) && is_loopback(config.mqtt.tls_listen) &&
         is_loopback(config.mqtt.ws_listen) && is_loopback(config.mqtt.wss_listen);
}

bool has_credentials(const config::Config& config) {
  return !config.security.users.empty() || !config.security.jwks.empty() ||
         !config.tls.client_ca.empty();
}

void make_bootstrap_user(const config::Config& config) {
  const auto& s = config.security;
  if (s.bootstrap_user.empty()) return;
  if (s.users.empty() || s.bootstrap_password.empty()) {
    throw config::ConfigError(
        "`security.bootstrap_user` needs `security.users`, the file to put it in, and "
        "`security.bootstrap_password`");
  }
  if (std::filesystem::exists(s.users)) return;
  if (const std::string problem = security::user_name_problem(s.bootstrap_user); !problem.empty()) {
    throw config::ConfigError(fmt::format("`security.bootstrap_user`: {}", problem));
  }
  security::edit_user_file(s.users, [&](security::UserFile& file) {
    file.put({s.bootstrap_user, {}, security::hash_password(s.bootstrap_password)});
  });
  spdlog::info("made {} with the user '{}'; `rowgate user` adds more", s.users, s.bootstrap_user);
}

void must_exist(std::string_view option, const std::string& file, std::string_view hint) {
  std::error_code unknown;
  if (file.empty() || std::filesystem::exists(file, unknown) || unknown) return;
  throw config::ConfigError(fmt::format("`{}`: there is no file {}; {}", option, file, hint));
}

security::Authenticator::Options authenticator_options(const config::Config& config) {
  security::Authenticator::Options options;
  options.users = config.security.users;
  options.jwks = config.security.jwks;
  options.jwt_audience = config.security.jwt_audience;
  options.jwt_issuer = config.security.jwt_issuer;
  options.anonymous = is_anonymous_allowed(config);
  return options;
}

void warn_of(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
}

security::Authenticator::Options checked_options(const config::Config& config) {
  make_bootstrap_user(config);
  const auto& files = config.security;
  must_exist("security.users", files.users,
             "make it with `rowgate user add NAME --users FILE`, or correct its name");
  must_exist("security.jwks", files.jwks, "put the key set there, or correct its name");
  must_exist("security.acl", files.acl, "write it, or correct its name");
  auto options = authenticator_options(config);
  if (!options.anonymous && !has_credentials(config)) {
    spdlog::warn(
        "nobody can connect: a listener is open beyond this machine, and there is no way to show "
        "who one is; set `security.users` (rowgate user add NAME), or `security.anonymous = "
        "\"allow\"` to let everybody in");
  }
  return options;
}

}  // namespace

bool is_anonymous_allowed(const config::Config& config) {
  switch (config.security.anonymous) {
    case config::Anonymous::allow:
      return true;
    case config::Anonymous::deny:
      return false;
    case config::Anonymous::local:
      break;
  }
  return are_all_loopback(config) && !has_credentials(config);
}

Security::Security(const config::Config& config) try
    : authenticator_(checked_options(config), &warnings_), acl_(config.security.acl) {
  warn_of(std::exchange(warnings_, {}));
} catch (const security::FileError& error) {
  throw config::ConfigError(error.what());
}

void Security::reload() {
  try {
    if (authenticator_.reload(&warnings_)) spdlog::info("users and keys reloaded");
    warn_of(std::exchange(warnings_, {}));
  } catch (const std::exception& error) {
    spdlog::error("users and keys stay as they were: {}", error.what());
  }
  try {
    if (acl_.reload()) spdlog::info("access control list reloaded");
  } catch (const std::exception& error) {
    spdlog::error("the access control list stays as it was: {}", error.what());
  }
}

}  // namespace rowgate::cli
