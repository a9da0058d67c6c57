#include "gateway/net/websocket_upgrade.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace rowgate::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::string_view end_of_head = "\r\n\r\n";
constexpr std::string_view key_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
constexpr std::size_t key_bytes = 24;  // sixteen bytes in base64

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends with a zero
  const int n =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(n));
  return text;
}

std::string accept_value(std::string_view key) {
  std::string input(key);
  input.append(key_suffix);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(digest.data(), size);
}

Upgrade refuse(std::string_view status, std::string_view reason) {
  Upgrade upgrade;
  upgrade.status = Upgrade::Status::refused;
  upgrade.reason = reason;
  const std::string body = fmt::format(
      "{}: {}.\nThis port speaks MQTT over WebSocket, with the sub-protocol \"mqtt\".\n", status,
      reason);
  upgrade.answer = fmt::format(
      "HTTP/1.1 {}\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}",
      status, body.size(), body);
  return upgrade;
}

bool offers_mqtt(std::string_view protocols) {
  for (const auto& name :
       http::token_list(beast::string_view(protocols.data(), protocols.size()))) {
    if (name == "mqtt") return true;
  }
  return false;
}

Upgrade answer(std::string_view head) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(Upgrade::max_bytes);
  parser.skip(true);  // a body is no concern of ours
  beast::error_code error;
  parser.put(boost::asio::buffer(head), error);
  if (error || !parser.is_header_done()) return refuse("400 Bad Request", "not an HTTP request");
  const auto& request = parser.get();
  const auto field = [&](http::field name) {
    const auto value = request[name];
    return std::string_view(value.data(), value.size());
  };
  if (!beast::websocket::is_upgrade(request)) {
    return refuse("426 Upgrade Required", "the request does not ask for a WebSocket");
  }
  if (field(http::field::sec_websocket_version) != "13") {
    return refuse("426 Upgrade Required", "the version of WebSocket must be 13");
  }
  if (field(http::field::sec_websocket_key).size() != key_bytes) {
    return refuse("400 Bad Request", "the request has no proper Sec-WebSocket-Key");
  }
  if (!offers_mqtt(field(http::field::sec_websocket_protocol))) {
    return refuse("400 Bad Request",
                  "the client does not offer the sub-protocol mqtt [MQTT-6.0.0-3]");
  }
  Upgrade upgrade;
  upgrade.status = Upgrade::Status::accepted;
  upgrade.size = head.size();
  upgrade.answer = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
      accept_value(field(http::field::sec_websocket_key)));
  return upgrade;
}

}  // namespace

Upgrade read_upgrade(std::string_view bytes, std::size_t seen) {
  // MQTT or TLS on the wrong port: better said at once than after the connect time-out.
  if (!bytes.empty() && (bytes.front() < 'A' || bytes.front() > 'Z')) {
    Upgrade upgrade;
    upgrade.status = Upgrade::Status::refused;
    upgrade.reason = "not an HTTP request; is it MQTT without WebSocket, or TLS?";
    return upgrade;
  }
  const std::size_t from = seen - std::min(seen, end_of_head.size() - 1);
  const std::size_t found = bytes.find(end_of_head, from);
  const std::size_t size =
      found == std::string_view::npos ? bytes.size() : found + end_of_head.size();
  if (size > Upgrade::max_bytes) {
    return refuse("431 Request Header Fields Too Large", "the request is longer than 8192 bytes");
  }
  return found == std::string_view::npos ? Upgrade{} : answer(bytes.substr(0, size));
}

}  // namespace rowgate::net
