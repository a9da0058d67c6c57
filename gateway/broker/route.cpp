#include "gateway/broker/route.hpp"

namespace rowgate::broker {

Route RouteCache::find(std::string_view topic, const LiveCatalog& live,
                       const security::LiveAcl* acl, const security::Identity& identity,
                       std::string_view client_id) {
  const std::uint64_t catalog = live.generation();
  const std::uint64_t rules = acl ? acl->generation() : 0;
  if (catalog != catalog_generation_ || rules != acl_generation_ || routes_.size() >= max_topics) {
    routes_.clear();
    catalog_generation_ = catalog;
    acl_generation_ = rules;
  }
  if (const auto it = routes_.find(topic); it != routes_.end()) return it->second;
  const Route route{.allowed = !acl || acl->get()->may_publish(identity, client_id, topic),
                    .mapped = live.get()->index.matches(topic)};
  routes_.emplace(topic, route);
  return route;
}

}  // namespace rowgate::broker
