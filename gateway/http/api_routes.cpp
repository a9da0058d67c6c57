#include "gateway/http/api_routes.hpp"

#include <algorithm>
#include <iterator>

#include "gateway/http/openapi.hpp"

namespace rowgate::http {

std::vector<ApiRoute> api_routes(const ApiEndpoints& endpoints) {
  std::vector<ApiRoute> all;
  const auto add = [&](std::vector<ApiRoute> group) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  };
  add(mapping_routes(endpoints.mapping));
  add(topic_routes(endpoints.topics));
  add(kept_routes(endpoints.kept));
  all.push_back({"GET", "/api/v1/openapi.json",
                 [](const ApiRequest&) { return json_reply(openapi_document()); }});
  return all;
}

}  // namespace rowgate::http
