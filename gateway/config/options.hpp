#pragma once
// The one table of options. The TOML keys, the environment variables, the flags, the defaults (read
// from a default Config, so that they exist once) and docs/configuration.md all come from it.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/config.hpp"

namespace rowgate::config {

/// What a value looks like; in the file a `count` is a TOML integer, a `size` an integer or a
/// string, all others are strings.
enum class Kind : std::uint8_t { text, file, endpoint, size, duration, count, choice, flag };

struct Option {
  std::string_view name;  // the key in the file, with its table: "journal.max_bytes"
  std::string_view flag;  // "--journal-max-bytes"; empty: none
  Kind kind;
  std::string_view help;  // one sentence
  std::string expected;   // "a size such as 64 MiB, at least 1 MiB"
  /// Sets the option from its text; returns what is wrong with it ("expected ..."), empty: nothing.
  std::function<std::string(Config&, std::string_view)> set;
  /// The text of its value; set(get()) changes nothing.
  std::function<std::string(const Config&)> get;
};

/// In the order of docs/configuration.md.
const std::vector<Option>& options();

/// nullptr: there is none.
const Option* find_option(std::string_view name);

/// "journal.max_bytes" -> "ROWGATE_JOURNAL_MAX_BYTES".
std::string environment_name(std::string_view option);

/// The word nearest to what was typed, for "did you mean"; empty: none is near.
std::string_view nearest(std::string_view typed, const std::vector<std::string_view>& words);
/// The option nearest to an unknown key: a slip of the pen, or the right key in another table.
std::string_view nearest_option(std::string_view key);

/// docs/configuration.md's reference: a Markdown table a TOML table.
std::string options_markdown();

}  // namespace rowgate::config
