// The ACL's file: TOML -> Acl, or every error with its place.
#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <optional>
#include <span>
#include <tuple>

#include "gateway/mqtt/publish.hpp"
#include "gateway/security/acl.hpp"
#include "gateway/security/file_text.hpp"
#include "schema/nearest.hpp"

namespace rowgate::security {
namespace {

using Texts = std::vector<std::string>;

class AclReader {
 public:
  explicit AclReader(std::string_view file) : file_(file) {}

  std::vector<Acl::Rule> rules(const toml::table& top) {
    constexpr std::string_view known[] = {"default", "rule"};
    refuse_unknown(top, known, "at the top of the file");
    std::vector<Acl::Rule> rules;
    const toml::node* node = top.get("rule");
    if (node == nullptr) return rules;
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
      add(node->source(), "'rule' is not a list of tables; begin each rule with [[rule]]");
      return rules;
    }
    for (const toml::node& rule : *array) rules.push_back(read_rule(*rule.as_table()));
    return rules;
  }

  bool allow_by_default(const toml::table& top) {
    const toml::node* node = top.get("default");
    if (node == nullptr) return false;
    const auto word = node->value<std::string>().value_or("");
    if (word != "allow" && word != "deny") {
      add(node->source(), R"(default is neither "allow" nor "deny")");
    }
    return word == "allow";
  }

  /// Throws what was found, in the order of the file.
  void finish() {
    if (found_.empty()) return;
    std::stable_sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    std::string all;
    for (const Found& f : found_) {
      all += fmt::format("{}{}:{}:{}: {}", all.empty() ? "" : "\n", file_, f.line, f.column,
                         f.message);
    }
    throw FileError(all);
  }

 private:
  struct Found {
    std::uint32_t line, column;
    std::string message;
  };

  void add(const toml::source_region& where, std::string message) {
    found_.push_back({where.begin.line, where.begin.column, std::move(message)});
  }

  void refuse_unknown(const toml::table& table, std::span<const std::string_view> known,
                      std::string_view place) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      const std::string_view near = schema::nearest(key.str(), known);
      add(key.source(),
          fmt::format("unknown key '{}' {}; {}", key.str(), place,
                      near.empty() ? fmt::format("known are {}", fmt::join(known, ", "))
                                   : fmt::format("did you mean '{}'?", near)));
    }
  }

  Acl::Rule read_rule(const toml::table& table) {
    constexpr std::string_view known[] = {"users",     "roles",        "clients",       "publish",
                                          "subscribe", "deny_publish", "deny_subscribe"};
    refuse_unknown(table, known, "in [[rule]]");
    Acl::Rule rule;
    rule.users = texts(table, "users");
    rule.roles = texts(table, "roles");
    rule.clients = texts(table, "clients");
    rule.publish = filters(table, "publish");
    rule.subscribe = filters(table, "subscribe");
    rule.deny_publish = filters(table, "deny_publish");
    rule.deny_subscribe = filters(table, "deny_subscribe");
    if (!table.contains("publish") && !table.contains("subscribe") &&
        !table.contains("deny_publish") && !table.contains("deny_subscribe")) {
      add(table.source(),
          "the rule says nothing; give it publish, subscribe, deny_publish or deny_subscribe");
    }
    return rule;
  }

  /// A list of texts. An empty one is refused: it would read as nobody and mean everybody.
  Texts texts(const toml::table& table, std::string_view key) {
    Texts all;
    each_text(table, key, [&](const std::string& text, const toml::source_region& where) {
      if (text.empty()) add(where, fmt::format("an empty text in {}", key));
      all.push_back(text);
    });
    return all;
  }

  Texts filters(const toml::table& table, std::string_view key) {
    Texts all;
    each_text(table, key, [&](const std::string& text, const toml::source_region& where) {
      if (const std::string wrong = filter_problem(text, key == "publish"); !wrong.empty()) {
        add(where, fmt::format("{}: '{}' {}", key, text, wrong));
      }
      all.push_back(text);
    });
    return all;
  }

  template <class Take>
  void each_text(const toml::table& table, std::string_view key, Take take) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->empty()) {
      add(node->source(), fmt::format("{0} is not a list of texts with one at least, such as {0} = "
                                      "[\"...\"]; leave it out where it says nothing",
                                      key));
      return;
    }
    for (const toml::node& item : *array) {
      if (const auto* text = item.as_string(); text != nullptr) {
        take(text->get(), item.source());
      } else {
        add(item.source(), fmt::format("{} holds what is no text; put it in quotes", key));
      }
    }
  }

  static std::string filter_problem(std::string_view pattern, bool allows_publishing) {
    std::string filter;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] == '%') {
        const char next = ++i < pattern.size() ? pattern[i] : '\0';
        if (next != 'u' && next != 'c' && next != '%') {
          return "has a % that is neither %u (user), %c (client id) nor %% (a percent sign)";
        }
        filter += 'x';
      } else {
        filter += pattern[i];
      }
    }
    if (!mqtt::is_topic_filter(filter)) {
      return "is no topic filter; # stands alone in the last level, + alone in a level";
    }
    if (filter.starts_with("$share/")) {
      return "names a shared subscription; write the filter without $share/NAME/";
    }
    if (allows_publishing && is_reserved(filter)) {
      return "is the gateway's own; no client ever publishes there";
    }
    return "";
  }

  std::string file_;
  std::vector<Found> found_;
};

}  // namespace

Acl Acl::parse(std::string_view toml, std::string_view file) {
  toml::table top;
  try {
    top = toml::parse(toml, file);
  } catch (const toml::parse_error& e) {
    throw FileError(fmt::format("{}:{}:{}: {}", file, e.source().begin.line,
                                e.source().begin.column, e.description()));
  }
  AclReader reader(file);
  std::vector<Rule> rules = reader.rules(top);
  const bool allow = reader.allow_by_default(top);
  reader.finish();
  return Acl(std::move(rules), allow, true);
}

Acl Acl::read(const std::string& file) {
  return parse(read_text(file), file);
}

}  // namespace rowgate::security
