#include "gateway/http/router.hpp"

#include <exception>

#include "gateway/http/status_page.hpp"

namespace rowgate::http {
namespace {

Reply text(unsigned status, std::string body) {
  if (body.empty() || body.back() != '\n') body += '\n';
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

Reply of(const Answer& answer, unsigned otherwise) {
  return text(answer.ok ? 200 : otherwise, answer.text);
}

Reply get(std::string_view path, const Endpoints& endpoints) {
  if (path == "/healthz" && endpoints.live) return of(endpoints.live(), 503);
  if (path == "/readyz" && endpoints.ready) return of(endpoints.ready(), 503);
  if (path == "/metrics" && endpoints.metrics) {
    return {200, "text/plain; version=0.0.4; charset=utf-8", endpoints.metrics()};
  }
  if (path == "/") {
    return {200, "text/html; charset=utf-8",
            status_page(endpoints.live ? endpoints.live() : Answer{},
                        endpoints.ready ? endpoints.ready() : Answer{},
                        endpoints.metrics ? endpoints.metrics() : std::string())};
  }
  return text(404,
              "No such page. There are /, /healthz, /readyz, /metrics, POST /mapping/reload and "
              "/api/v1.");
}

Reply post_reload(const Request& request, const Endpoints& endpoints) {
  if (request.method != "POST") {
    Reply reply = text(405, "The mapping is reloaded with POST /mapping/reload.");
    reply.allow = "POST";
    return reply;
  }
  if (from_another_site(request)) {
    return text(403, "A page of another site may not reload the mapping.");
  }
  return of(endpoints.reload_mapping(), 400);
}

}  // namespace

Reply route(const Request& request, const Endpoints& endpoints) try {
  if (Api::owns(request.target)) return endpoints.api.answer(request);
  const std::string_view path = request.target.substr(0, request.target.find_first_of("?#"));
  if (path == "/mapping/reload" && endpoints.reload_mapping) return post_reload(request, endpoints);
  Reply reply =
      request.method == "GET" || request.method == "HEAD" ? get(path, endpoints) : Reply{405};
  if (reply.status == 405) {
    reply = text(405, "This page is read with GET.");
    reply.allow = "GET, HEAD";
  }
  return reply;
} catch (const std::exception& e) {
  return text(500, e.what());
}

}  // namespace rowgate::http
