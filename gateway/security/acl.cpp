#include "gateway/security/acl.hpp"

#include <algorithm>
#include <optional>

#include "gateway/security/filters.hpp"

namespace rowgate::security {
namespace {

constexpr std::array<std::string_view, 4> reserved_levels = {"$SYS", "$share", "$rowgate",
                                                             "$presence"};

/// `*` is any text, also none; all else is itself.
bool glob_matches(std::string_view glob, std::string_view text) noexcept {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last one seen, and how far its text reaches
  std::size_t after = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      after = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  return std::all_of(glob.begin() + static_cast<std::ptrdiff_t>(g), glob.end(),
                     [](char c) { return c == '*'; });
}

/// An empty text is nobody's name: no glob matches it.
bool any_glob(const std::vector<std::string>& globs, std::string_view text) {
  return !text.empty() && std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return glob_matches(glob, text);
  });
}

/// Whom the question is about.
struct Asker {
  const Identity& identity;
  std::string_view client_id;
};

bool speaks_about(const Acl::Rule& rule, const Asker& asker) {
  const auto& has = asker.identity.roles;
  return (rule.users.empty() || any_glob(rule.users, asker.identity.user)) &&
         (rule.clients.empty() || any_glob(rule.clients, asker.client_id)) &&
         (rule.roles.empty() || std::find_first_of(has.begin(), has.end(), rule.roles.begin(),
                                                   rule.roles.end()) != has.end());
}

/// Fills in %u and %c. nullopt: the filter does not speak about this client. A value that is empty
/// names no topic; one that holds `/`, `+` or `#` would name those of others: what is allowed is
/// then not, and what is denied is denied from the level before it on.
std::optional<std::string> filled(std::string_view pattern, const Asker& asker, bool denied) {
  std::string filter;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || pattern[i + 1] == '%') {
      i += pattern[i] == '%' ? 1 : 0;
      filter += pattern[i];
      continue;
    }
    const std::string_view value = pattern[++i] == 'u' ? asker.identity.user : asker.client_id;
    if (value.empty()) return std::nullopt;
    const bool names_others = value.find_first_of("/+#") != std::string_view::npos;
    if (!denied) {
      // "%u/#" speaks about the user's own topics, and never about those that begin with `$`.
      if (names_others || (filter.empty() && value.starts_with('$'))) return std::nullopt;
    } else if (names_others) {
      filter.erase(filter.rfind('/') + 1);  // npos + 1 is 0
      return filter + "#";
    }
    filter += value;
  }
  return filter;
}

template <class Takes>
bool any_filter(const std::vector<std::string>& patterns, const Asker& asker, bool denied,
                Takes takes) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    const auto filter = filled(pattern, asker, denied);
    return filter && takes(*filter);
  });
}

}  // namespace

bool is_reserved(std::string_view topic) noexcept {
  if (!topic.starts_with('$')) return false;
  const std::string_view level = topic.substr(0, topic.find('/'));
  return std::find(reserved_levels.begin(), reserved_levels.end(), level) != reserved_levels.end();
}

Acl Acl::built_in() {
  return Acl({}, true, false);
}

bool Acl::may_publish(const Identity& identity, std::string_view client_id,
                      std::string_view topic) const {
  if (is_reserved(topic)) return false;
  const Asker asker{identity, client_id};
  const auto takes = [&](const std::string& filter) { return covers(filter, topic); };
  bool allowed = allow_by_default_;
  for (const Rule& rule : rules_) {
    if (!speaks_about(rule, asker)) continue;
    if (any_filter(rule.deny_publish, asker, true, takes)) return false;
    allowed = allowed || any_filter(rule.publish, asker, false, takes);
  }
  return allowed;
}

bool Acl::may_subscribe(const Identity& identity, std::string_view client_id,
                        std::string_view filter) const {
  constexpr std::string_view share = "$share/";
  if (filter.starts_with(share)) {
    const auto slash = filter.find('/', share.size());
    if (slash == std::string_view::npos) return false;
    filter.remove_prefix(slash + 1);
  }
  const Asker asker{identity, client_id};
  const auto covered = [&](const std::string& by) { return covers(by, filter); };
  const auto touched = [&](const std::string& by) { return overlap(by, filter); };
  bool allowed = allow_by_default_ && !(from_file_ && is_reserved(filter));
  for (const Rule& rule : rules_) {
    if (!speaks_about(rule, asker)) continue;
    if (any_filter(rule.deny_subscribe, asker, true, touched)) return false;
    allowed = allowed || any_filter(rule.subscribe, asker, false, covered);
  }
  return allowed;
}

}  // namespace rowgate::security
