#include "bench/flood/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace rowgate::flood {

Options parse_options(int argc, char** argv) {
  constexpr int usage_error = 2;
  Options o;
  CLI::App app("Floods an MQTT server on loopback with clients that behave badly", "rowgate_flood");
  app.option_defaults()->always_capture_default();
  app.add_option("--host", o.host, "IPv4 address of the server, a loopback one");
  app.add_option("--port", o.port, "TCP port");
  app.add_option("--idle", o.idle, "connections that do nothing");
  app.add_option("--connects", o.connects, "connects a second that end at once");
  app.add_option("--bad-packets", o.bad_packets, "connections at a time that break the protocol");
  app.add_option("--slow-readers", o.slow_readers, "subscribers to everything that never read");
  app.add_option("--slow-loris", o.slow_loris, "connections whose CONNECT takes for ever");
  app.add_option("--giants", o.giants, "connections that send a packet of 256 MiB");
  app.add_option("--addresses", o.addresses, "source addresses, from 127.0.1.1 on")
      ->check(CLI::Range(1U, 250U));
  app.add_option("--fill", o.fill, "connections of each kind that stays, opened a second at first")
      ->check(CLI::Range(1U, 1'000'000U));
  app.add_option("--reopens", o.reopens,
                 "connections of each kind opened a second in place of ended ones");
  app.add_option("--seconds", o.seconds, "how long; 0: until a signal");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : usage_error);
  }
  return o;
}

}  // namespace rowgate::flood
