// The admin interface's requests: Beast's parser with the server's limits, and the router behind
// it.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/router.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::http;
namespace bhttp = boost::beast::http;

namespace {

const Endpoints& endpoints() {
  static const Endpoints all = [] {
    Endpoints made;
    made.live = [] { return Answer{true, "alive"}; };
    made.ready = [] { return Answer{false, "not ready"}; };
    made.metrics = [] { return std::string("rowgate_up 1\n"); };
    made.reload_mapping = [] { return Answer{true, "reloaded"}; };
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  bhttp::request_parser<bhttp::string_body> parser;
  parser.header_limit(8 * 1024);
  parser.body_limit(64 * 1024);
  parser.eager(true);
  // As it arrives: in pieces, the parser given again what it has not taken.
  const std::size_t step = 1 + bytes[0];
  boost::system::error_code error;
  for (std::size_t offered = 0; !parser.is_done() && offered < rest.size();) {
    offered = std::min(offered + step, rest.size());
    const std::size_t taken = parser.put(boost::asio::buffer(rest.data(), offered), error);
    must(taken <= offered);
    rest.remove_prefix(taken);
    offered -= taken;
    if (error && error != bhttp::error::need_more) return 0;
  }
  if (!parser.is_done()) return 0;
  const auto& message = parser.get();
  const auto view = [](boost::beast::string_view s) {
    return std::string_view(s.data(), s.size());
  };
  const Request request{view(message.method_string()), view(message.target()),
                        view(message[bhttp::field::host]), view(message[bhttp::field::origin])};
  const Reply reply = route(request, endpoints());
  must(reply.status >= 200 && reply.status < 600 && !reply.type.empty());
  return 0;
}
