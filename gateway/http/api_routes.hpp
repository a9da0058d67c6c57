#pragma once
// Every route of the API, group by group. A new group: its struct here, its routes in
// api_routes.cpp, its paths in docs/openapi.yaml.
#include <vector>

#include "gateway/http/api.hpp"
#include "gateway/http/api_dead_letters.hpp"
#include "gateway/http/api_mapping.hpp"
#include "gateway/http/api_topics.hpp"

namespace rowgate::http {

struct ApiEndpoints {
  MappingEndpoints mapping{};
  TopicEndpoints topics{};
  KeptEndpoints kept{};
};

/// Functions that are not set become routes that answer 404. Where two paths fit a request, the
/// first one gets it: a literal level goes before a placeholder.
std::vector<ApiRoute> api_routes(const ApiEndpoints& endpoints);

}  // namespace rowgate::http
