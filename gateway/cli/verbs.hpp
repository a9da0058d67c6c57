#pragma once
// The verbs beside serve. Each returns its exit code: 0 ok, 1 failed, and throws
// config::ConfigError for what the user must put right (2) or std::runtime_error for what failed
// otherwise (1).
#include <istream>
#include <ostream>

#include "gateway/cli/command_line.hpp"
#include "gateway/config/config.hpp"

namespace rowgate::cli {

/// Standard streams, or a test's.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
};

/// Names each file checked, and for each table the DDL that the sink would run now. Runs none.
int check(const CommandLine& command, const config::Config& config, Streams streams);

/// Which mapping takes the message and what becomes of it. 0 also when none does.
int explain(const CommandLine& command, const config::Config& config, Streams streams);

/// One read-only statement on the sink.
int query(const CommandLine& command, const config::Config& config, Streams streams);

/// What was kept because no row came of it: dead letters, or unmapped messages. list and show only
/// look; replay and purge work beside a running gateway.
int kept_list(const CommandLine& command, const config::Config& config, Streams streams);
int kept_show(const CommandLine& command, const config::Config& config, Streams streams);
int kept_replay(const CommandLine& command, const config::Config& config, Streams streams);
int kept_purge(const CommandLine& command, const config::Config& config, Streams streams);

/// info, verify and dump. Look only: they take no lock and create nothing.
int journal_info(const CommandLine& command, const config::Config& config, Streams streams);
int journal_verify(const CommandLine& command, const config::Config& config, Streams streams);
int journal_dump(const CommandLine& command, const config::Config& config, Streams streams);

/// The users file, `security.users`. add and password read the password from the terminal, without
/// echo, where `streams.in` is std::cin and that is one, else from the first line of `streams.in`.
int user_add(const CommandLine& command, const config::Config& config, Streams streams);
int user_password(const CommandLine& command, const config::Config& config, Streams streams);
int user_roles(const CommandLine& command, const config::Config& config, Streams streams);
int user_remove(const CommandLine& command, const config::Config& config, Streams streams);
int user_list(const CommandLine& command, const config::Config& config, Streams streams);

}  // namespace rowgate::cli
