#pragma once
// What one thread of the generator counted; summed at the end.
#include <cstdint>

#include "bench/load/histogram.hpp"

namespace rowgate::load {

struct Counters {
  std::uint64_t sent = 0;        // first sends; resends are apart
  std::uint64_t acked = 0;       // PUBACK or PUBCOMP with success; at QoS 0 none
  std::uint64_t recorded = 0;    // PUBREC with success (QoS 2)
  std::uint64_t refused = 0;     // acknowledgements with an error code (5.0)
  std::uint64_t resent = 0;      // PUBLISH with DUP
  std::uint64_t unexpected = 0;  // acknowledgements of nothing in flight
  std::uint64_t reconnects = 0;
  std::uint64_t sessions_lost = 0;  // reconnects to which the server said: no session
  std::uint64_t failed = 0;         // clients that gave up
  std::uint64_t unacked = 0;        // in flight at the end
  std::uint64_t writes = 0;
  std::uint64_t reads = 0;
  std::uint64_t last_ack_ns = 0;  // steady clock
  Histogram latency;              // PUBLISH to PUBACK or PUBCOMP

  void merge(const Counters& other) noexcept {
    sent += other.sent;
    acked += other.acked;
    recorded += other.recorded;
    refused += other.refused;
    resent += other.resent;
    unexpected += other.unexpected;
    reconnects += other.reconnects;
    sessions_lost += other.sessions_lost;
    failed += other.failed;
    unacked += other.unacked;
    writes += other.writes;
    reads += other.reads;
    if (other.last_ack_ns > last_ack_ns) last_ack_ns = other.last_ack_ns;
    latency.merge(other.latency);
  }
};

}  // namespace rowgate::load
