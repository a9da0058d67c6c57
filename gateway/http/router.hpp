#pragma once
// What each path answers. Bytes and sockets are server.cpp's; this is a function from a request to
// a reply, so that every path is tested without a socket.
#include <string>
#include <string_view>

#include "gateway/http/server.hpp"

namespace rowgate::http {

struct Request {
  std::string_view method;  // "GET"
  std::string_view target;  // "/metrics?x=1": the query is ignored
  std::string_view host;    // the Host field
  std::string_view origin;  // the Origin field, which browsers send; empty: none
};

struct Reply {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow;  // 405: the methods that this path takes
};

/// HEAD is answered as GET; the server leaves the body out. An endpoint that throws or is not set
/// becomes a 500 or 404. Calls the endpoints on the caller's thread.
Reply route(const Request& request, const Endpoints& endpoints);

}  // namespace rowgate::http
