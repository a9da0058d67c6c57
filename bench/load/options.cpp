#include "bench/load/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

#include "bench/load/packets.hpp"

namespace rowgate::load {

namespace {
constexpr int usage_error = 2;

void declare(CLI::App& app, Options& o) {
  app.add_option("--host", o.host, "IPv4 address of the server")->capture_default_str();
  app.add_option("--port", o.port, "TCP port")->capture_default_str();
  app.add_option("--prefix", o.prefix, "client ids are PREFIX-00000, PREFIX-00001, ...")
      ->capture_default_str()
      ->check([](const std::string& s) {
        return s.size() == prefix_size ? std::string() : "must be exactly 4 letters or digits";
      });
  app.add_option("--clients", o.clients, "connections")
      ->capture_default_str()
      ->check(CLI::Range(1U, max_clients));
  app.add_option("--topics", o.topics, "topics in all; 0: one a client")
      ->check(CLI::Range(0U, max_topics));
  app.add_option("--qos", o.qos, "quality of service")
      ->capture_default_str()
      ->check(CLI::Range(0U, 2U));
  app.add_option("--window", o.window, "messages in flight a client")
      ->capture_default_str()
      ->check(CLI::Range(1U, 65535U));
  app.add_option("--messages", o.messages, "messages to publish, over all clients");
  app.add_option("--seconds", o.seconds, "how long to publish");
  app.add_option("--rate", o.rate, "messages a second over all clients; 0: as fast as it can");
  app.add_option("--grace", o.grace, "seconds to wait for the last acknowledgements")
      ->capture_default_str();
  app.add_option("--first", o.first, "added to each sequence number (runs then stay distinct)");
  const std::map<std::string, Payload> payloads{{"scalar", Payload::scalar},
                                                {"json", Payload::json}};
  app.add_option("--payload", o.payload, "scalar (a number) or json (seven fields)")
      ->transform(CLI::CheckedTransformer(payloads));
  app.add_option("--threads", o.threads, "threads")
      ->capture_default_str()
      ->check(CLI::Range(1U, 64U));
  app.add_option("--mqtt", o.version, "3: MQTT 3.1.1, 5: MQTT 5.0")
      ->capture_default_str()
      ->check(CLI::IsMember({3U, 5U}));
  app.add_option("--ledger", o.ledger,
                 "file that gets a line 'client TAB sequence' for each acknowledged message");
  app.add_flag("--reconnect", o.reconnect,
               "connect again after a lost connection and resend what was not acknowledged");
  const std::map<std::string, Format> formats{{"text", Format::text}, {"json", Format::json}};
  app.add_option("--format", o.format, "text or json")->transform(CLI::CheckedTransformer(formats));
}
}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  CLI::App app("Publishes MQTT messages, counts and times the acknowledgements", "rowgate_load");
  declare(app, options);
  try {
    app.parse(argc, argv);
    if (options.messages == 0 && options.seconds <= 0) {
      throw CLI::ValidationError("give --messages or --seconds");
    }
    if (options.threads > options.clients) {
      throw CLI::ValidationError("--threads: more than --clients");
    }
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : usage_error);
  }
  if (options.topics == 0) options.topics = options.clients;
  return options;
}

}  // namespace rowgate::load
