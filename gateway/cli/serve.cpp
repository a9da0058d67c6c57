#include "gateway/cli/serve.hpp"

#include <csignal>

#include "gateway/cli/gateway.hpp"
#include "gateway/config/config.hpp"
#include "gateway/net/tls_context.hpp"

namespace rowgate::cli {

int serve(const config::Config& config) try {
  std::signal(SIGPIPE, SIG_IGN);  // libpq and sockets report a broken pipe as an error
  std::signal(SIGHUP,
              SIG_IGN);  // a reload asked for while we start: the newest file is read anyway
  return Gateway(config).run();
} catch (const net::TlsError& error) {
  throw config::ConfigError(error.what());
}

}  // namespace rowgate::cli
