// The verbs that keep the users file.
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <string>

#include "gateway/cli/table.hpp"
#include "gateway/cli/verbs.hpp"
#include "gateway/security/password_hash.hpp"
#include "gateway/security/user_file.hpp"

namespace rowgate::cli {
namespace {

constexpr std::size_t longest_password = 65'535;  // MQTT's length field

const std::string& users_file(const config::Config& config) {
  if (config.security.users.empty()) {
    throw config::ConfigError(
        "no users file; name one with --users FILE, or with users in [security] of the "
        "configuration");
  }
  return config.security.users;
}

/// Runs `change` on the file. A broken file is one the user must put right.
template <class Change>
void edit(const std::string& file, Change change) {
  try {
    security::edit_user_file(file, change);
  } catch (const security::FileError& e) {
    throw config::ConfigError(e.what());
  }
}

security::User existing(const security::UserFile& users, const std::string& name,
                        const std::string& file) {
  const security::User* user = users.find(name);
  if (user == nullptr) {
    throw std::runtime_error(
        fmt::format("{}: there is no user '{}'; 'rowgate user list' prints "
                    "those there are",
                    file, name));
  }
  return *user;
}

void check_roles(const std::vector<std::string>& roles) {
  for (const std::string& role : roles) {
    if (const std::string wrong = security::role_problem(role); !wrong.empty()) {
      throw config::ConfigError(fmt::format("--role '{}': {}", role, wrong));
    }
  }
}

/// The terminal without echo for as long as it lives. Ctrl-C interrupts the reading instead of the
/// program, so that the echo comes back in any case.
class NoEcho {
 public:
  NoEcho() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ECHONL;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    struct sigaction interrupt {};
    interrupt.sa_handler = [](int) {};
    ::sigaction(SIGINT, &interrupt, &interrupt_);
    // Delivered in wait() only: one that came just before a plain read() would be missed.
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    ::sigprocmask(SIG_BLOCK, &blocked, &mask_);
  }
  ~NoEcho() {
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

  /// Until something was typed; false: it was an interrupt.
  bool wait() const {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return ::ppoll(&input, 1, nullptr, &mask_) >= 0 || errno != EINTR;
  }

 private:
  termios before_{};
  sigset_t mask_{};
  struct sigaction interrupt_ {};
};

std::string read_silently(const std::string& prompt, std::ostream& to) {
  const NoEcho silence;
  to << prompt << std::flush;
  std::string line;
  char c = 0;
  while (true) {
    if (!silence.wait()) throw std::runtime_error("interrupted; nothing was changed");
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n <= 0 || c == '\n') return line;
    line += c;
  }
}

std::string read_password(const std::string& name, Streams streams) {
  std::string password;
  if (&streams.in == &std::cin && ::isatty(STDIN_FILENO) == 1) {
    password = read_silently(fmt::format("Password of {}: ", name), streams.err);
    if (read_silently("Once more: ", streams.err) != password) {
      throw std::runtime_error("these are two different passwords; nothing was changed");
    }
  } else {
    std::getline(streams.in, password);
    if (password.ends_with('\r')) password.pop_back();
  }
  if (password.empty()) {
    throw config::ConfigError("the password is empty; give it in the first line of standard input");
  }
  if (password.size() > longest_password) {
    throw config::ConfigError("the password is longer than 65535 bytes, which MQTT cannot send");
  }
  return password;
}

}  // namespace

int user_add(const CommandLine& command, const config::Config& config, Streams streams) {
  const std::string& file = users_file(config);
  const auto& wanted = command.user;
  if (const std::string wrong = security::user_name_problem(wanted.name); !wrong.empty()) {
    throw config::ConfigError(fmt::format("user '{}': {}", wanted.name, wrong));
  }
  check_roles(wanted.roles);
  security::User user{wanted.name, wanted.roles, std::string(security::no_password)};
  if (!wanted.no_password) {
    user.hash = security::hash_password(read_password(wanted.name, streams));
  }
  edit(file, [&](security::UserFile& users) {
    if (users.find(user.name) != nullptr) {
      throw std::runtime_error(
          fmt::format("{0}: there is a user '{1}' already; 'rowgate user "
                      "password' and 'rowgate user roles' change it",
                      file, user.name));
    }
    users.put(std::move(user));
  });
  streams.out << fmt::format("added user '{}' to {}\n", wanted.name, file);
  return 0;
}

int user_password(const CommandLine& command, const config::Config& config, Streams streams) {
  const std::string& file = users_file(config);
  const std::string& name = command.user.name;
  const std::string hash = security::hash_password(read_password(name, streams));
  edit(file, [&](security::UserFile& users) {
    security::User user = existing(users, name, file);
    user.hash = hash;
    users.put(std::move(user));
  });
  streams.out << fmt::format("changed the password of user '{}' in {}\n", name, file);
  return 0;
}

int user_roles(const CommandLine& command, const config::Config& config, Streams streams) {
  const std::string& file = users_file(config);
  const auto& wanted = command.user;
  check_roles(wanted.roles);
  edit(file, [&](security::UserFile& users) {
    security::User user = existing(users, wanted.name, file);
    user.roles = wanted.roles;
    users.put(std::move(user));
  });
  streams.out << fmt::format("user '{}' in {} has {}\n", wanted.name, file,
                             wanted.roles.empty()
                                 ? "no roles"
                                 : fmt::format("the roles {}", fmt::join(wanted.roles, ", ")));
  return 0;
}

int user_remove(const CommandLine& command, const config::Config& config, Streams streams) {
  const std::string& file = users_file(config);
  const std::string& name = command.user.name;
  edit(file, [&](security::UserFile& users) {
    existing(users, name, file);
    users.remove(name);
  });
  streams.out << fmt::format("removed user '{}' from {}\n", name, file);
  return 0;
}

int user_list(const CommandLine& command, const config::Config& config, Streams streams) {
  const std::string& file = users_file(config);
  storage::QueryResult rows;
  rows.columns = {"name", "roles", "password"};
  try {
    for (const security::User& user : security::UserFile::read(file).users()) {
      rows.rows.push_back({user.name, fmt::format("{}", fmt::join(user.roles, ",")),
                           user.hash == security::no_password ? "no" : "yes"});
    }
  } catch (const security::FileError& e) {
    throw config::ConfigError(e.what());
  }
  if (const std::string warning = security::permission_warning(file); !warning.empty()) {
    streams.err << warning << '\n';
  }
  print_rows(streams.out, command.format, rows);
  return 0;
}

}  // namespace rowgate::cli
