#include "gateway/http/server.hpp"

#include <pthread.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "gateway/http/router.hpp"

namespace rowgate::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

// An admin interface: a browser, a scraper, a health check. Bounds, not throughput.
constexpr std::size_t max_connections = 64;
constexpr std::uint32_t max_header_bytes = 8 * 1024;
constexpr std::uint64_t max_body_bytes = 64 * 1024;
constexpr std::uint64_t max_api_body_bytes = 4 * 1024 * 1024;  // a mapping of ten thousand parts
constexpr std::size_t api_threads = 2;            // one long question does not hold up the next
constexpr std::chrono::seconds read_timeout{15};  // from the last reply to the next whole request
constexpr std::chrono::seconds write_timeout{10};

constexpr auto awaited = asio::as_tuple(asio::use_awaitable);

using Response = bhttp::response<bhttp::string_body>;

Response make_response(Reply reply, unsigned version, bool keep_alive, bool head) {
  Response response{static_cast<bhttp::status>(reply.status), version};
  response.set(bhttp::field::server, "rowgate");
  response.set(bhttp::field::content_type, reply.type);
  response.set(bhttp::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  if (!reply.allow.empty()) response.set(bhttp::field::allow, reply.allow);
  if (!reply.etag.empty()) response.set(bhttp::field::etag, reply.etag);
  if (reply.challenge) response.set(bhttp::field::www_authenticate, "Bearer");
  response.keep_alive(keep_alive);
  const std::size_t size = reply.body.size();
  if (!head) response.body() = std::move(reply.body);
  // Of HEAD too the length that GET would have [RFC 9110, 9.3.2].
  response.content_length(size);
  return response;
}

/// The reply to a request that could not be read; nullopt: the client is gone or too slow, there is
/// nobody to tell.
std::optional<Reply> reply_to_unreadable(const error_code& error) {
  const auto reply = [](unsigned status, const char* body) {
    return Reply{status, "text/plain; charset=utf-8", body};
  };
  if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
    return reply(431, "The header fields are longer than 8 KiB.\n");
  }
  if (error == bhttp::error::body_limit) {
    return reply(413, "The body is longer than 64 KiB, or below /api than 4 MiB.\n");
  }
  if (error == bhttp::error::end_of_stream || error == bhttp::error::partial_message ||
      error.category() != make_error_code(bhttp::error::bad_method).category()) {
    return std::nullopt;
  }
  return reply(400, "This is not an HTTP request.\n");
}

std::string_view view(beast::string_view s) {
  return {s.data(), s.size()};
}

Request request_of(const bhttp::request<bhttp::string_body>& message, std::string_view peer) {
  Request request{view(message.method_string()), view(message.target()),
                  view(message[bhttp::field::host]), view(message[bhttp::field::origin])};
  request.authorization = view(message[bhttp::field::authorization]);
  request.if_match = view(message[bhttp::field::if_match]);
  request.author = view(message["Rowgate-Author"]);
  request.peer = peer;
  request.body = message.body();
  return request;
}

}  // namespace

struct Server::State {
  explicit State(Endpoints given) : endpoints(std::move(given)) {}

  /// Counts a connection for as long as its coroutine lives.
  struct Counted {
    explicit Counted(std::size_t& connections) : count(connections) { ++count; }
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::size_t& count;
  };

  void listen(const std::string& host, std::uint16_t port);
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<bool> write(beast::tcp_stream& stream, Response response, bool head);
  asio::awaitable<error_code> read(beast::tcp_stream& stream, beast::flat_buffer& buffer,
                                   bhttp::request_parser<bhttp::string_body>& parser);
  asio::awaitable<Reply> answer(const Request& request);

  const Endpoints endpoints;
  std::size_t connections = 0;  // HTTP thread only
  std::uint16_t bound_port = 0;
  std::once_flag stopped;
  // Destroyed by stop(), and with it every coroutine and socket that it still holds.
  std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>(1);
  std::optional<tcp::acceptor> acceptor;
  std::thread thread;
  asio::thread_pool api{api_threads};
};

void Server::State::listen(const std::string& host, std::uint16_t port) {
  const auto fail = [&](const error_code& error) {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    throw std::runtime_error("HTTP cannot listen on " + shown + ":" + std::to_string(port) + ": " +
                             error.message() + "; choose another address with --http HOST:PORT");
  };
  error_code error;
  tcp::resolver resolver(*context);
  const auto found = resolver.resolve(
      host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) fail(error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.emplace(*context);
  if (acceptor->open(endpoint.protocol(), error)) fail(error);
  acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (acceptor->bind(endpoint, error)) fail(error);
  if (acceptor->listen(asio::socket_base::max_listen_connections, error)) fail(error);
  bound_port = acceptor->local_endpoint().port();
}

asio::awaitable<void> Server::State::accept() {
  asio::steady_timer pause(*context);
  for (;;) {
    auto [error, socket] = co_await acceptor->async_accept(awaited);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors, most likely: others will be closed.
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(awaited);
    } else if (connections < max_connections) {
      asio::co_spawn(*context, serve(std::move(socket)), asio::detached);
    }
    // Beyond the limit the socket closes here.
  }
}

asio::awaitable<bool> Server::State::write(beast::tcp_stream& stream, Response response,
                                           bool head) {
  stream.expires_after(write_timeout);
  bhttp::response_serializer<bhttp::string_body> serializer(response);
  error_code error;
  if (head) {
    std::tie(error, std::ignore) = co_await bhttp::async_write_header(stream, serializer, awaited);
  } else {
    std::tie(error, std::ignore) = co_await bhttp::async_write(stream, serializer, awaited);
  }
  co_return !error && !response.need_eof() && response.keep_alive();
}

/// The rest of a request, in two steps: what its body may be depends on its target.
asio::awaitable<error_code> Server::State::read(beast::tcp_stream& stream,
                                                beast::flat_buffer& buffer,
                                                bhttp::request_parser<bhttp::string_body>& parser) {
  parser.header_limit(max_header_bytes);
  parser.body_limit(max_api_body_bytes);
  stream.expires_after(read_timeout);
  error_code error;
  std::tie(error, std::ignore) = co_await bhttp::async_read_header(stream, buffer, parser, awaited);
  if (error) co_return error;
  if (!Api::owns(view(parser.get().target()))) {
    const auto length = parser.content_length();
    if (length && *length > max_body_bytes) co_return bhttp::error::body_limit;
    parser.body_limit(max_body_bytes);
  }
  if (!parser.is_done() && beast::iequals(parser.get()[bhttp::field::expect], "100-continue")) {
    bhttp::response<bhttp::empty_body> go_on{bhttp::status::continue_, 11};
    std::tie(error, std::ignore) = co_await bhttp::async_write(stream, go_on, awaited);
    if (error) co_return error;
  }
  std::tie(error, std::ignore) = co_await bhttp::async_read(stream, buffer, parser, awaited);
  co_return error;
}

/// On this thread, or, for the API, on one of its own. The caller keeps the request.
asio::awaitable<Reply> Server::State::answer(const Request& request) {
  if (!Api::owns(request.target)) co_return route(request, endpoints);
  const auto there = [this, &request]() -> asio::awaitable<Reply> {
    co_return route(request, endpoints);
  };
  co_return co_await asio::co_spawn(api, there, asio::use_awaitable);
}

asio::awaitable<void> Server::State::serve(tcp::socket socket) {
  const Counted counted(connections);
  error_code ignored;
  const std::string peer = socket.remote_endpoint(ignored).address().to_string();
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(2 * max_header_bytes);
  for (bool open = true; open;) {
    bhttp::request_parser<bhttp::string_body> parser;
    if (const error_code error = co_await read(stream, buffer, parser)) {
      if (auto reply = reply_to_unreadable(error)) {
        co_await write(stream, make_response(std::move(*reply), 11, false, false), false);
      }
      break;
    }
    const auto& message = parser.get();
    const bool head = message.method() == bhttp::verb::head;
    stream.expires_never();
    const Request request = request_of(message, peer);
    Reply reply = co_await answer(request);
    open = co_await write(
        stream, make_response(std::move(reply), message.version(), message.keep_alive(), head),
        head);
  }
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

Server::Server(const std::string& host, std::uint16_t port, Endpoints endpoints)
    : state_(std::make_unique<State>(std::move(endpoints))) {
  state_->listen(host, port);
  asio::co_spawn(*state_->context, state_->accept(), asio::detached);
  state_->thread = std::thread([state = state_.get()] { state->context->run(); });
  pthread_setname_np(state_->thread.native_handle(), "rowgate-http");
}

Server::~Server() {
  stop();
}

std::uint16_t Server::port() const noexcept {
  return state_->bound_port;
}

void Server::stop() noexcept {
  std::call_once(state_->stopped, [this] {
    state_->context->stop();
    state_->thread.join();
    state_->api.join();
    state_->acceptor.reset();
    state_->context.reset();
  });
}

}  // namespace rowgate::http
