// Parses the command line, reads the configuration, runs one verb, and turns what went wrong into a
// message and an exit code: 0 ok, 1 failed, 2 usage or configuration.
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "gateway/cli/command_line.hpp"
#include "gateway/cli/log.hpp"
#include "gateway/cli/serve.hpp"
#include "gateway/cli/verbs.hpp"
#include "gateway/config/load.hpp"

namespace {

using namespace rowgate;

int run_verb(const cli::CommandLine& command, const config::Config& config) {
  const cli::Streams streams{std::cin, std::cout, std::cerr};
  switch (command.verb) {
    case cli::Verb::serve:
      return cli::serve(config);
    case cli::Verb::check:
      return cli::check(command, config, streams);
    case cli::Verb::explain:
      return cli::explain(command, config, streams);
    case cli::Verb::query:
      return cli::query(command, config, streams);
    case cli::Verb::kept_list:
      return cli::kept_list(command, config, streams);
    case cli::Verb::kept_show:
      return cli::kept_show(command, config, streams);
    case cli::Verb::kept_replay:
      return cli::kept_replay(command, config, streams);
    case cli::Verb::kept_purge:
      return cli::kept_purge(command, config, streams);
    case cli::Verb::journal_info:
      return cli::journal_info(command, config, streams);
    case cli::Verb::journal_verify:
      return cli::journal_verify(command, config, streams);
    case cli::Verb::journal_dump:
      return cli::journal_dump(command, config, streams);
    case cli::Verb::user_add:
      return cli::user_add(command, config, streams);
    case cli::Verb::user_password:
      return cli::user_password(command, config, streams);
    case cli::Verb::user_roles:
      return cli::user_roles(command, config, streams);
    case cli::Verb::user_remove:
      return cli::user_remove(command, config, streams);
    case cli::Verb::user_list:
      return cli::user_list(command, config, streams);
  }
  return 2;
}

int run(const std::vector<std::string>& arguments) {
  int exit_code = 0;
  auto command = cli::parse(arguments, std::cout, std::cerr, exit_code);
  if (!command) return exit_code;
  if (const char* file = std::getenv("ROWGATE_CONFIG"); file != nullptr) {
    if (command->config_file.empty()) command->config_file = file;
  }
  std::vector<std::string> warnings;
  const config::Config config =
      config::load(command->config_file, config::environment(), command->overrides, &warnings);
  cli::set_up_log(config);
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  // A limit on the size of files is then an error of write(), which the journal knows how to take.
  std::signal(SIGXFSZ, SIG_IGN);
  exit_code = run_verb(*command, config);
  if (!std::cout.flush()) throw std::runtime_error("cannot write to standard output");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const config::ConfigError& e) {
    std::cerr << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "rowgate: " << e.what() << '\n';
    return 1;
  }
}
