#pragma once
// The admin HTTP server: health, metrics, mapping reload and a status page, on one thread of its
// own. It knows nothing of what it serves: serve.cpp fills in the Endpoints, which are called on
// the HTTP thread and must be safe there.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rowgate::http {

struct Answer {
  bool ok = true;    // 200, else 503 (health) or 400 (reload)
  std::string text;  // plain text for people
};

struct Endpoints {
  std::function<Answer()> live;            // GET /healthz
  std::function<Answer()> ready;           // GET /readyz
  std::function<std::string()> metrics;    // GET /metrics, Prometheus text format 0.0.4
  std::function<Answer()> reload_mapping;  // POST /mapping/reload
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
  /// Closes the listener and every connection, ends the thread. Idempotent; any thread but its own.
  void stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rowgate::http
