#pragma once
// /api/v1/dead-letters and /api/v1/unmapped: list, show, replay, purge. The two differ in the table
// only. A replay or a purge takes seconds at most and says where the next request goes on.
#include <functional>
#include <memory>
#include <vector>

#include "gateway/http/api.hpp"
#include "schema/mapping.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::http {

struct KeptEndpoints {
  /// The gateway's, which outlives the routes.
  storage::Sink* sink = nullptr;
  /// The mapping in force.
  std::function<std::shared_ptr<const schema::Catalog>()> catalog{};
};

/// Without a sink they answer 404.
std::vector<ApiRoute> kept_routes(const KeptEndpoints& endpoints);

}  // namespace rowgate::http
