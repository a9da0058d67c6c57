#include "gateway/config/load.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

#include "gateway/config/options.hpp"

namespace rowgate::config {
namespace {

/// What has been read, and what was wrong with it.
struct Loading {
  Config config;
  std::vector<std::string> errors;
  std::map<std::string, std::string, std::less<>> origins;  // option -> where its value came from

  void set(const Option& option, std::string_view value, const std::string& where) {
    const std::string wrong = option.set(config, value);
    if (wrong.empty()) {
      origins[std::string(option.name)] = where;
    } else {
      errors.push_back(fmt::format("{}: {}: {}", where, option.name, wrong));
    }
  }
};

std::string did_you_mean(std::string_view near) {
  return near.empty() ? std::string() : fmt::format(" (did you mean '{}'?)", near);
}

std::string_view type_word(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

/// One file's keys, walked table by table.
class FileReader {
 public:
  FileReader(Loading& loading, const std::string& file) : loading_(loading), file_(file) {}

  void read(const toml::table& table) {
    walk(table, "");
    // toml++ keeps keys sorted by name; people read their file from the top.
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Found& a, const Found& b) { return a.line < b.line; });
    for (const Found& found : found_) {
      if (found.option != nullptr) {
        loading_.set(*found.option, found.text, found.where);
      } else {
        loading_.errors.push_back(fmt::format("{}: {}", found.where, found.text));
      }
    }
  }

 private:
  struct Found {
    std::uint32_t line;
    std::string where;
    const Option* option;  // null: text is an error
    std::string text;
  };

  std::string where(const toml::source_region& source) const {
    return fmt::format("{}:{}:{}", file_, source.begin.line, source.begin.column);
  }

  void error(const toml::source_region& source, std::string text) {
    found_.push_back({source.begin.line, where(source), nullptr, std::move(text)});
  }

  void walk(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (const Option* option = find_option(name)) {
        take(*option, node);
      } else if (is_table_of_options(name)) {
        if (node.is_table()) {
          walk(*node.as_table(), name + ".");
        } else {
          error(node.source(), fmt::format("{}: expected a table of options, [{}], got {}", name,
                                           name, type_word(node)));
        }
      } else {
        const std::string_view near =
            node.is_table() ? nearest(name, tables()) : nearest_option(name);
        error(key.source(), fmt::format("unknown {} '{}'{}", node.is_table() ? "table" : "key",
                                        name, did_you_mean(near)));
      }
    }
  }

  static std::vector<std::string_view> tables() {
    std::vector<std::string_view> names;
    for (const Option& option : options()) {
      const auto dot = option.name.find('.');
      if (dot != std::string_view::npos) names.push_back(option.name.substr(0, dot));
    }
    return names;
  }

  static bool is_table_of_options(const std::string& name) {
    const auto names = tables();
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  void take(const Option& option, const toml::node& node) {
    const bool text = option.kind != Kind::count && node.is_string();
    const bool number =
        (option.kind == Kind::count || option.kind == Kind::size) && node.is_integer();
    const bool flag = option.kind == Kind::flag && node.is_boolean();
    if (!text && !number && !flag) {
      error(node.source(),
            fmt::format("{}: expected {}, got {}", option.name, option.expected, type_word(node)));
      return;
    }
    found_.push_back({node.source().begin.line, where(node.source()), &option,
                      text   ? **node.as_string()
                      : flag ? (**node.as_boolean() ? "true" : "false")
                             : std::to_string(**node.as_integer())});
  }

  Loading& loading_;
  const std::string& file_;
  std::vector<Found> found_;
};

void read_file_text(Loading& loading, const std::string& text, const std::string& name) {
  try {
    const toml::table table = toml::parse(std::string_view(text), std::string_view(name));
    FileReader(loading, name).read(table);
  } catch (const toml::parse_error& e) {
    loading.errors.push_back(fmt::format("{}:{}:{}: not TOML: {}", name, e.source().begin.line,
                                         e.source().begin.column, e.description()));
  }
}

void read_environment(Loading& loading, const Variables& environment,
                      std::vector<std::string>* warnings) {
  std::map<std::string, const Option*, std::less<>> by_name;
  for (const Option& option : options()) by_name[environment_name(option.name)] = &option;
  std::vector<std::string_view> names{"ROWGATE_CONFIG"};
  for (const auto& [name, option] : by_name) names.push_back(name);
  for (const auto& [name, value] : environment) {
    if (value.empty() || name == "ROWGATE_CONFIG") continue;
    const auto found = by_name.find(name);
    if (found != by_name.end()) {
      loading.set(*found->second, value, name);
    } else if (warnings != nullptr) {
      warnings->push_back(fmt::format("{}: no option has this variable, ignored{}", name,
                                      did_you_mean(nearest(name, names))));
    }
  }
}

void read_overrides(Loading& loading, const Overrides& overrides) {
  for (const auto& [name, value] : overrides) {
    const Option* option = find_option(name);
    if (option == nullptr) {
      loading.errors.push_back(
          fmt::format("unknown option '{}'{}", name, did_you_mean(nearest_option(name))));
      continue;
    }
    loading.set(*option, value, option->flag.empty() ? name : std::string(option->flag));
  }
}

/// What no single option can say.
void check_together(Loading& loading) {
  const auto require = [&](bool holds, std::string_view small, std::string_view large,
                           std::string_view why) {
    if (holds) return;
    const auto show = [&](std::string_view name) {
      const auto origin = loading.origins.find(name);
      return fmt::format("{} ({}, {})", name, find_option(name)->get(loading.config),
                         origin == loading.origins.end() ? "default" : origin->second);
    };
    loading.errors.push_back(fmt::format("{} is too large for {}: {}; change one of them",
                                         show(small), show(large), why));
  };
  const Config& c = loading.config;
  // A record is the packet plus the client id (at most 65,535 bytes) and a header; the smallest
  // batch_bytes is large enough for these, so half is room for any packet.
  require(2ULL * c.mqtt.max_packet_bytes <= c.journal.batch_bytes, "mqtt.max_packet_bytes",
          "journal.batch_bytes", "a batch must have room for two packets");
  require(c.journal.batch_bytes <= c.journal.segment_bytes / 2, "journal.batch_bytes",
          "journal.segment_bytes", "a segment must hold at least two batches");
  require(c.journal.segment_bytes <= c.journal.max_bytes / 4, "journal.segment_bytes",
          "journal.max_bytes", "the journal must have room for at least four segments");
  require(c.drain.backoff_first <= c.drain.backoff_max, "drain.backoff_first", "drain.backoff_max",
          "the first pause may not be longer than the longest");
  if (c.data_dir.empty()) {
    loading.errors.push_back("data_dir is empty: name a directory, such as ./rowgate-data");
  }
}

std::string join(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace

Variables environment() {
  Variables found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (text.starts_with("ROWGATE_") && equals != std::string_view::npos) {
      found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

Config load_text(const std::string& text, const std::string& name, const Variables& environment,
                 const Overrides& overrides, std::vector<std::string>* warnings) {
  Loading loading;
  read_file_text(loading, text, name);
  read_environment(loading, environment, warnings);
  read_overrides(loading, overrides);
  if (loading.errors.empty()) check_together(loading);
  if (!loading.errors.empty()) throw ConfigError(join(loading.errors));
  return loading.config;
}

Config load(const std::string& file, const Variables& environment, const Overrides& overrides,
            std::vector<std::string>* warnings) {
  if (file.empty()) return load_text("", "", environment, overrides, warnings);
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // An empty file sets failbit on the destination, a directory badbit on the source.
  if (!in || (in.peek() != std::ifstream::traits_type::eof() && !(text << in.rdbuf())) ||
      in.bad()) {
    throw ConfigError(fmt::format("cannot read the configuration file {}: {}", file,
                                  errno != 0 ? std::strerror(errno) : "read error"));
  }
  return load_text(text.str(), file, environment, overrides, warnings);
}

}  // namespace rowgate::config
