#include "gateway/cli/serve.hpp"

#include <csignal>

#include "gateway/cli/gateway.hpp"

namespace rowgate::cli {

int serve(const config::Config& config) {
  std::signal(SIGPIPE, SIG_IGN);  // libpq and sockets report a broken pipe as an error
  std::signal(SIGHUP,
              SIG_IGN);  // a reload asked for while we start: the newest file is read anyway
  return Gateway(config).run();
}

}  // namespace rowgate::cli
