#include "gateway/http/api_routes.hpp"

#include <algorithm>
#include <iterator>

namespace rowgate::http {

std::vector<ApiRoute> api_routes(const ApiEndpoints& endpoints) {
  std::vector<ApiRoute> all;
  const auto add = [&](std::vector<ApiRoute> group) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  };
  add(mapping_routes(endpoints.mapping));
  add(kept_routes(endpoints.kept));
  return all;
}

}  // namespace rowgate::http
