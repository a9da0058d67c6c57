#pragma once
// /api/v1: which request goes to which route, and who may ask. A group of routes is a file of its
// own (api_mapping.hpp, api_topics.hpp, ...): a struct of std::functions that the gateway fills in,
// and a function that makes ApiRoutes of them. api_routes.hpp lists the groups; docs/openapi.yaml
// describes every route (tests/gateway/http/openapi_test.cpp compares them both ways).
//
// Routes are called on one of two threads of the server's own, so that health checks never wait
// for a database; they must be safe there, and take seconds at most. What takes longer is work for
// a thread of its own, which the route starts and reports on.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/query.hpp"
#include "gateway/http/request.hpp"

namespace rowgate::http {

/// A request that has found its route.
struct ApiRequest {
  const Request& request;
  std::vector<std::string> arguments{};  // of the path's {placeholders} in their order, decoded
  Query query{};
};

struct ApiRoute {
  std::string_view method;  // GET (which takes HEAD too), PUT, POST or DELETE
  std::string_view path;    // "/api/v1/mapping/history/{version}"; a placeholder is a whole level
  std::function<Reply(const ApiRequest&)> answer;
};

/// Who may use the API. With a token everybody needs it, as "Authorization: Bearer TOKEN". Without
/// one, changes are taken only where the server listens on this machine's own address.
struct ApiAccess {
  std::string token{};
  bool loopback = false;  // the server's address is a loopback address
};

class Api {
 public:
  Api() = default;
  Api(ApiAccess access, std::vector<ApiRoute> routes)
      : access_(std::move(access)), routes_(std::move(routes)) {}

  /// Whether a target is the API's to answer.
  static bool owns(std::string_view target) noexcept {
    return target.starts_with("/api/") || target == "/api";
  }
  /// 401 and 403 by the access rules, 404, 405, or the route's own answer. An exception becomes a
  /// 500 with its text; a route whose function is not set is a 404.
  Reply answer(const Request& request) const;
  const std::vector<ApiRoute>& routes() const noexcept { return routes_; }

 private:
  ApiAccess access_;
  std::vector<ApiRoute> routes_;
};

/// {"error": "sentence"}: what every refusal of the API looks like.
Reply json_error(unsigned status, std::string_view sentence);
/// `text` is JSON.
Reply json_reply(std::string text, unsigned status = 200);

}  // namespace rowgate::http
