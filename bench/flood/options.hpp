#pragma once
// What one flood is made of. See attacker.hpp for the kinds.
#include <cstdint>
#include <string>

namespace rowgate::flood {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::uint32_t idle = 10'000;      // connections that say CONNECT and nothing more
  std::uint32_t connects = 1'000;   // a second: CONNECT, CONNACK, gone
  std::uint32_t bad_packets = 50;   // connections at a time, each opened again when it ends
  std::uint32_t slow_readers = 20;  // subscribe to everything and never read
  std::uint32_t slow_loris = 200;   // a CONNECT of which a byte comes every half second
  std::uint32_t giants = 10;        // announce 256 MiB and send them
  std::uint32_t addresses = 64;     // 127.0.1.1 and on: a port range each
  std::uint32_t fill = 2'000;       // of each kind that stays, opened a second until all are there
  std::uint32_t reopens = 200;      // of each kind, in place of those that ended
  double seconds = 0;               // 0: until a signal
};

/// Reads the command line. Ends the process (0 after --help, 2 on a usage error).
Options parse_options(int argc, char** argv);

}  // namespace rowgate::flood
