#pragma once
// What one run of the load generator does.
#include <cstdint>
#include <string>

namespace rowgate::load {

enum class Payload : std::uint8_t { scalar, json };
enum class Format : std::uint8_t { text, json };

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::string prefix = "load";  // client ids are PREFIX-00000, PREFIX-00001, ...
  std::uint32_t clients = 10;
  std::uint32_t topics = 0;  // 0: one a client
  std::uint32_t qos = 1;
  std::uint32_t window = 1000;  // messages in flight a client, at most
  std::uint64_t messages = 0;   // over all clients; 0: until `seconds`
  double seconds = 0;           // 0: until `messages`
  double rate = 0;              // messages a second over all clients; 0: as fast as it can
  double grace = 30;            // seconds to wait for the last acknowledgements
  std::uint64_t first = 0;      // of the sequence numbers; see packets.hpp
  Payload payload = Payload::scalar;
  std::uint32_t threads = 1;
  std::uint32_t version = 3;  // 3: MQTT 3.1.1, 5: MQTT 5.0
  bool reconnect = false;
  std::string ledger;  // file of acknowledged messages; empty: none
  Format format = Format::text;
};

/// Reads the command line. Ends the process (0 after --help, 2 on a usage error).
Options parse_options(int argc, char** argv);

}  // namespace rowgate::load
