#include "gateway/broker/route.hpp"

namespace rowgate::broker {

Route RouteCache::find(std::string_view topic, const LiveCatalog& live) {
  const std::uint64_t generation = live.generation();
  if (generation != generation_ || routes_.size() >= max_topics) {
    routes_.clear();
    generation_ = generation;
  }
  if (const auto it = routes_.find(topic); it != routes_.end()) return it->second;
  const Route route{live.get()->index.matches(topic)};
  routes_.emplace(topic, route);
  return route;
}

}  // namespace rowgate::broker
