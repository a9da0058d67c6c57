#pragma once
// An HTTP request and its reply as the routes see them: no sockets, no parser.
#include <string>
#include <string_view>

namespace rowgate::http {

/// Views live as long as the request is being answered. A field that was not sent is empty.
struct Request {
  std::string_view method;  // "GET"
  std::string_view target;  // "/metrics?x=1"
  std::string_view host;    // the Host field
  std::string_view origin;  // the Origin field, which browsers send
  std::string_view authorization{};
  std::string_view if_match{};
  std::string_view author{};  // the Rowgate-Author field: who changes something, in his own words
  std::string_view peer{};    // the address it comes from, without the port
  std::string_view body{};
};

struct Reply {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body{};
  std::string allow{};     // 405: the methods that this path takes
  std::string etag{};      // with its quotes
  bool challenge = false;  // 401: WWW-Authenticate: Bearer
};

/// A page of another site may make a browser post here; the browser then says where the page is
/// from. "http://host:port" against "host:port".
inline bool from_another_site(const Request& request) {
  if (request.origin.empty()) return false;
  const auto scheme = request.origin.find("://");
  return scheme == std::string_view::npos || request.origin.substr(scheme + 3) != request.host;
}

}  // namespace rowgate::http
