#pragma once
// Who may publish and subscribe to what. The file's language is in docs/security.md:
//
//   default = "deny"
//   [[rule]]
//   users = ["alice", "sensor-*"]
//   publish = ["site/%u/#"]
//
// A denial wins over what is allowed, whatever the order. Topics below `$SYS`, `$share`, `$rowgate`
// and `$presence` are the gateway's own: no client ever publishes there, and with an ACL file a
// client subscribes there only where a rule names it, whatever `default` says.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/security/file_error.hpp"
#include "gateway/security/identity.hpp"

namespace rowgate::security {

/// Whether the topic's or filter's first level is one of the gateway's own.
bool is_reserved(std::string_view topic) noexcept;

/// Immutable; any thread. A few microseconds a question: callers keep the answer for as long as
/// LiveAcl::generation() and the identity are the same.
class Acl {
 public:
  /// Without a file: everybody may publish to all but the reserved topics, and subscribe to all.
  static Acl built_in();
  /// `file` names it in messages. Throws FileError with every error, its line and its column.
  static Acl parse(std::string_view toml, std::string_view file);
  static Acl read(const std::string& file);

  bool may_publish(const Identity& identity, std::string_view client_id,
                   std::string_view topic) const;
  /// Only if one allowed filter covers all of `filter` and no denied filter overlaps it.
  /// `$share/NAME/` in front of it does not count.
  bool may_subscribe(const Identity& identity, std::string_view client_id,
                     std::string_view filter) const;

  struct Rule {
    // Whom it speaks about: everybody who is in all of the lists that are not empty.
    std::vector<std::string> users, roles, clients;  // users and clients: `*` is any text
    // Topic filters, in which %u is the user, %c the client id and %% a percent sign.
    std::vector<std::string> publish, subscribe, deny_publish, deny_subscribe;
  };

 private:
  Acl(std::vector<Rule> rules, bool allow_by_default, bool from_file)
      : rules_(std::move(rules)), allow_by_default_(allow_by_default), from_file_(from_file) {}

  std::vector<Rule> rules_;
  bool allow_by_default_;
  bool from_file_;
};

}  // namespace rowgate::security
