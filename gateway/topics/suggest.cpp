#include "gateway/topics/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "gateway/topics/fields.hpp"

namespace rowgate::topics {
namespace {

using Levels = std::vector<std::string_view>;

Levels levels_of(std::string_view topic) {
  Levels levels;
  for (;;) {
    const auto slash = topic.find('/');
    levels.push_back(topic.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    topic.remove_prefix(slash + 1);
  }
}

/// Small letters, digits and single underscores: a name that needs no quotes anywhere. May be
/// empty.
std::string identifier(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 && byte < 0x80) {
      name += static_cast<char>(std::tolower(byte));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (!name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) != 0) {
    name = fmt::format("_{}", name);
  }
  return name.substr(0, 50);
}

/// `name`, or name_2, name_3, ... if it is taken; takes it.
std::string unique(std::string name, std::set<std::string, std::less<>>& taken) {
  std::string tried = name;
  for (int n = 2; !taken.insert(tried).second; ++n) tried = fmt::format("{}_{}", name, n);
  return tried;
}

std::string toml_string(std::string_view text) {
  // JSON's escapes are TOML's too.
  std::string out =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (const char c : out) {
    if (c == '\x7f') {
      safe += "\\u007f";
    } else {
      safe += c;
    }
  }
  return safe;
}

/// A number, a UUID, or the hex digits of an address: a level that names one of many.
bool is_identity(std::string_view level) {
  const auto all = [&](auto one) { return std::all_of(level.begin(), level.end(), one); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (level.empty()) return false;
  if (all(digit)) return true;
  const auto hex = [&](char c) {
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-' || c == ':';
  };
  return level.size() >= 6 && all(hex) && std::any_of(level.begin(), level.end(), digit);
}

std::set<std::string> names_of(const PayloadShape& shape) {
  std::set<std::string> names;
  for (const FoundField& field : shape.fields) names.insert(field.pointer);
  return names;
}

/// At least half of the fields are the same.
bool look_alike(const PayloadShape& a, const PayloadShape& b) {
  if (a.payload != b.payload || a.rows != b.rows) return false;
  const auto here = names_of(a);
  const auto there = names_of(b);
  std::size_t shared = 0;
  for (const std::string& name : here) shared += there.count(name);
  return 2 * shared >= std::max(here.size(), there.size());
}

/// Which levels vary among the topics that look like this one. Topics are relatives if they have as
/// many levels and differ in less than half of them.
std::vector<bool> varying(const SeenTopic& topic, const PayloadShape& shape,
                          std::span<const SeenTopic> neighbours) {
  const Levels own = levels_of(topic.topic);
  std::vector<bool> varies(own.size());
  for (std::size_t i = 0; i < own.size(); ++i) varies[i] = i > 0 && is_identity(own[i]);
  for (const SeenTopic& other : neighbours) {
    const Levels theirs = levels_of(other.topic);
    if (theirs.size() != own.size() || other.messages.empty()) continue;
    std::vector<std::size_t> differ;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (own[i] != theirs[i]) differ.push_back(i);
    }
    // The first level names the kind of thing, as a rule.
    if (differ.empty() || differ.front() == 0 || 2 * differ.size() > own.size()) continue;
    if (!look_alike(shape, shape_of(other.messages))) continue;
    for (const std::size_t i : differ) varies[i] = true;
  }
  return varies;
}

struct Pattern {
  std::string text;
  std::vector<std::string> captures;
  std::string kind;  // its last literal level: what the messages are about
};

Pattern pattern_of(const SeenTopic& topic, const std::vector<bool>& varies,
                   std::set<std::string, std::less<>>& taken) {
  const Levels own = levels_of(topic.topic);
  Pattern pattern;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (i > 0) pattern.text += '/';
    // A literal level must not read like a wildcard or capture.
    const bool literal = !varies[i] && own[i].find_first_of("{}+#") == std::string_view::npos;
    if (literal) {
      pattern.text += own[i];
      if (const std::string name = identifier(own[i]); !name.empty()) pattern.kind = name;
      continue;
    }
    std::string name = i > 0 && !varies[i - 1] ? identifier(own[i - 1]) : std::string();
    if (name.size() > 3 && name.ends_with('s') && !name.ends_with("ss")) name.pop_back();
    if (name.empty()) name = fmt::format("level{}", i + 1);
    pattern.captures.push_back(unique(name, taken));
    pattern.text += fmt::format("{{{}}}", pattern.captures.back());
  }
  return pattern;
}

std::string column_name(const std::string& pointer) {
  std::string name = identifier(pointer);
  return name.empty() ? "value" : name;
}

/// Names that the catalog has, so that the new block does not clash with them.
std::set<std::string, std::less<>> taken_names(const schema::Catalog& catalog) {
  std::set<std::string, std::less<>> taken;
  for (const schema::Mapping& mapping : catalog.mappings) taken.insert(identifier(mapping.name));
  for (const schema::Table& table : catalog.tables) {
    taken.insert(identifier(std::string_view(table.name).substr(table.name.rfind('.') + 1)));
  }
  return taken;
}

void append_columns(std::string& out, const PayloadShape& shape, const Pattern& pattern,
                    std::set<std::string, std::less<>>& taken) {
  out += "\n[mapping.columns]\n";
  for (const std::string& capture : pattern.captures) {
    out += fmt::format("{} = {{ topic = {}, type = \"text\" }}\n", capture, toml_string(capture));
  }
  for (const FoundField& field : shape.fields) {
    if (shape.time && field.pointer == shape.time->pointer) continue;
    const std::string_view type = schema::type_name(field.type);
    out += fmt::format("{} = {{ from = {}, type = \"{}\" }}",
                       unique(column_name(field.pointer), taken), toml_string(field.pointer), type);
    out += fmt::format("  # {}{}\n", field.example,
                       field.seen < shape.looked_at ? ", not in every message" : "");
  }
  if (shape.payload == schema::Payload::raw) out += "payload = { from = \"\", type = \"bytea\" }\n";
}

void append_already_mapped(std::string& out, const SeenTopic& topic,
                           const schema::Catalog& catalog) {
  for (const schema::TopicMatch& match : catalog.index.match(topic.topic)) {
    const schema::Mapping& mapping = catalog.mappings[match.mapping];
    if (mapping.built_in) continue;
    out += fmt::format("# Mapping {} ({}) takes this topic already.\n", toml_string(mapping.name),
                       toml_string(mapping.pattern));
  }
}

}  // namespace

std::string suggest(const SeenTopic& topic, std::span<const SeenTopic> neighbours,
                    const schema::Catalog& catalog) {
  const PayloadShape shape = shape_of(topic.messages);
  std::set<std::string, std::less<>> columns{"ts"};
  const Pattern pattern = pattern_of(topic, varying(topic, shape, neighbours), columns);
  std::set<std::string, std::less<>> names = taken_names(catalog);
  const std::string table = unique(
      pattern.kind.empty() || pattern.kind.starts_with("rowgate_") ? "messages" : pattern.kind,
      names);
  std::string name = table;
  std::replace(name.begin(), name.end(), '_', '-');

  std::string out = fmt::format("# Suggested from {} messages on {}.\n", topic.messages.size(),
                                toml_string(topic.topic));
  append_already_mapped(out, topic, catalog);
  out += fmt::format("[[mapping]]\nname = {}\ntopic = {}\ntable = {}\npayload = \"{}\"\n",
                     toml_string(name), toml_string(pattern.text), toml_string(table),
                     word_of(shape.payload));
  if (shape.rows) out += fmt::format("rows = {}\n", toml_string(*shape.rows));
  if (shape.time) {
    out += fmt::format("time = {{ from = {}, format = \"{}\" }}\n",
                       toml_string(shape.time->pointer), word_of(shape.time->format));
  }
  std::string key;
  for (const std::string& capture : pattern.captures) key += toml_string(capture) + ", ";
  if (shape.time && !key.empty()) {
    out += fmt::format(
        "# key = [{}\"ts\"]  # a message that is sent again then makes no second row\n", key);
  }
  append_columns(out, shape, pattern, columns);
  return out;
}

}  // namespace rowgate::topics
