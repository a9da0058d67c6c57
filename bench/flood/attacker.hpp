#pragma once
// One connection that behaves badly, and opens again when the server has ended it.
//
//   idle         CONNECT, then nothing: it must stay connected
//   connects     CONNECT, CONNACK, gone; not opened again by itself
//   bad_packets  CONNECT with something behind it, or instead of it, that breaks the protocol
//   slow_reader  subscribes to everything and never reads
//   slow_loris   CONNECT a byte at a time, half a second apart
//   giant        announces a packet of 256 MiB, in place of CONNECT or behind it, and sends it
//
// It ends its connections with a reset, so that no port waits for two minutes.
#include <array>
#include <cstdint>
#include <string>

#include "bench/flood/options.hpp"

namespace rowgate::flood {

enum class Kind : std::uint8_t { idle, connects, bad_packets, slow_reader, slow_loris, giant };
inline constexpr std::size_t kinds = 6;
inline constexpr std::array<const char*, kinds> kind_names{
    "idle", "connects", "bad_packets", "slow_reader", "slow_loris", "giant"};

/// Of one kind, since the start; `connected`: now.
struct Counts {
  std::uint64_t opened = 0;    // sockets
  std::uint64_t accepted = 0;  // CONNACKs that said success
  std::uint64_t refused = 0;   // CONNACKs that said something else
  std::uint64_t ended = 0;     // by the server, or by the network
  std::uint64_t failed = 0;    // connect() did not succeed
  std::int64_t connected = 0;  // with a CONNACK, now
};

/// Times are nanoseconds of the steady clock. One thread.
class Attacker {
 public:
  Attacker(Kind kind, std::uint32_t index) : kind_(kind), index_(index) {}
  ~Attacker();
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

  Kind kind() const noexcept { return kind_; }
  bool open() const noexcept { return fd_ >= 0; }

  /// Precondition: not open.
  void connect(const Options& options, int epoll, Counts& counts);
  void on_event(std::uint32_t events, Counts& counts);
  /// A slow loris sends its next byte where its time has come; a bad packet that is not noticed
  /// goes after half a second.
  void tick(std::uint64_t now, Counts& counts);

 private:
  void send_all(Counts& counts);
  void close(Counts& counts, bool by_server);
  void on_readable(Counts& counts);

  Kind kind_;
  std::uint32_t index_;
  std::uint32_t round_ = 0;  // which of the bad packets comes next
  int fd_ = -1;
  bool connecting_ = false;
  bool connected_ = false;   // CONNACK came
  std::string out_;          // to send
  std::size_t sent_ = 0;     // of out_
  std::uint64_t giant_ = 0;  // bytes that still follow out_
  std::uint64_t due_ns_ = 0;
  std::array<char, 4> head_{};  // of what came
  std::size_t head_had_ = 0;
};

std::uint64_t now_ns() noexcept;

}  // namespace rowgate::flood
