#pragma once
// The admin HTTP server: health, metrics, mapping reload and a status page, on one thread of its
// own; and the API, whose routes may wait for a database, on two others. It knows nothing of what
// it serves: the gateway fills in the Endpoints, which must be safe on those threads.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gateway/http/api.hpp"

namespace rowgate::http {

struct Answer {
  bool ok = true;    // 200, else 503 (health) or 400 (reload)
  std::string text;  // plain text for people
};

struct Endpoints {
  std::function<Answer()> live{};            // GET /healthz
  std::function<Answer()> ready{};           // GET /readyz
  std::function<std::string()> metrics{};    // GET /metrics, Prometheus text format 0.0.4
  std::function<Answer()> reload_mapping{};  // POST /mapping/reload
  Api api{};                                 // /api/...
};

class Server {
 public:
  /// Binds and starts the thread. Throws std::runtime_error with a sentence (address in use,
  /// cannot resolve). Port 0: any.
  Server(const std::string& host, std::uint16_t port, Endpoints endpoints);
  /// stop() and join.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const noexcept;
  /// Closes the listener and every connection, ends the threads; waits for the API's requests that
  /// have begun. Idempotent; any thread but its own.
  void stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rowgate::http
