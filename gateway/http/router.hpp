#pragma once
// What each path answers. Bytes and sockets are server.cpp's; this is a function from a request to
// a reply, so that every path is tested without a socket.
#include "gateway/http/request.hpp"
#include "gateway/http/server.hpp"

namespace rowgate::http {

/// HEAD is answered as GET; the server leaves the body out. An endpoint that throws or is not set
/// becomes a 500 or 404; what lies below /api is Api::answer's. Calls the endpoints on the caller's
/// thread.
Reply route(const Request& request, const Endpoints& endpoints);

}  // namespace rowgate::http
