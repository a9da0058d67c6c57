#pragma once
// The command line: verbs, flags and help. The configuration's flags come from the option table.
#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "gateway/cli/table.hpp"
#include "gateway/config/load.hpp"

namespace rowgate::cli {

enum class Verb : std::uint8_t {
  serve,
  check,
  explain,
  query,
  kept_list,  // rowgate deadletter ..., rowgate unmapped ...
  kept_show,
  kept_replay,
  kept_purge,
  journal_info,
  journal_verify,
  journal_dump,
  user_add,
  user_password,
  user_roles,
  user_remove,
  user_list,
};

struct CommandLine {
  Verb verb = Verb::serve;
  std::string config_file;  // empty: not given
  config::Overrides overrides;
  Format format = Format::table;
  struct {
    bool offline = false;
    std::string against;  // a sink's URL; empty: the configured one
  } check;
  struct {
    std::string topic;
    std::string payload;       // "-": standard input; "@FILE": a file
    std::string payload_file;  // wins over payload
    bool hex = false;          // the payload is hex digits
    std::string client_id = "explain";
    unsigned qos = 1;
    bool retain = false;
    std::string content_type;
    std::vector<std::string> properties;  // NAME=VALUE
  } explain;
  struct {
    std::string sql;  // "-": standard input
  } query;
  struct {
    bool unmapped = false;  // else dead letters
    std::uint64_t id = 0;   // show
    std::string mapping;
    std::string topic;
    std::string since;  // a point in time, or how long ago
    std::string until;
    std::uint64_t limit = 0;  // 0: not given
    std::string to;           // replay: the mapping to go through instead
    bool dry_run = false;
    bool all = false;  // purge without a filter
  } kept;
  struct {
    std::uint64_t from = 0;  // position
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
    bool segments = false;
  } journal;
  struct {
    std::string name;
    std::vector<std::string> roles;
    bool no_password = false;
  } user;
};

/// `arguments` without the program's name. nullopt: there is nothing to run, and `exit_code` says
/// how to leave: 0 after help or version on `out`, 2 after a usage error on `err`.
std::optional<CommandLine> parse(const std::vector<std::string>& arguments, std::ostream& out,
                                 std::ostream& err, int& exit_code);

}  // namespace rowgate::cli
