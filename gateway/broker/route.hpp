#pragma once
// topic -> whether the client may publish there and whether any mapping takes it, cached by a
// connection for the Catalog and the ACL in force. Asked only where an ACL is configured or
// unmapped messages are rejected at arrival; otherwise the publish path need not know.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/broker/live_catalog.hpp"
#include "gateway/security/live_acl.hpp"

namespace rowgate::broker {

struct Route {
  bool allowed = true;
  bool mapped = false;
};

/// One connection's, for one identity. Bounded: a client that publishes to ever new topics starts
/// it anew.
class RouteCache {
 public:
  /// `acl` may be null: everything is allowed.
  Route find(std::string_view topic, const LiveCatalog& live, const security::LiveAcl* acl,
             const security::Identity& identity, std::string_view client_id);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  static constexpr std::size_t max_topics = 256;

  std::unordered_map<std::string, Route, Hash, std::equal_to<>> routes_;
  std::uint64_t catalog_generation_ = 0;
  std::uint64_t acl_generation_ = 0;
};

}  // namespace rowgate::broker
