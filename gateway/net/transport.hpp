#pragma once
// A stream of MQTT bytes over whatever carries it: a socket, and what is laid over one (PROXY
// header, TLS, WebSocket). Never blocks. Opening a layer (handshake, upgrade) is part of the first
// receive() calls, so one connect time-out covers all of it, and no layer has a timer.
//
// Errors: `closed` and `failed` are said once; from then on receive() only discards what still
// comes, until the peer closes too: so that a last word is read and not lost to a reset.
// Threads: everything belongs to the socket's I/O thread.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gateway/broker/connection_ref.hpp"
#include "gateway/broker/peer.hpp"

namespace rowgate::net {

enum class Flow : std::uint8_t {
  bytes,        // moved; how many, Transfer says
  would_block,  // wait, then call again
  closed,       // the peer has closed, or the network has
  failed,       // the peer broke the layer's protocol: reason() says how
};

struct Transfer {
  Flow flow = Flow::would_block;
  std::size_t bytes = 0;
};

/// What to call when waiting is over, without an allocation. Not called when cancelled.
struct Wake {
  void (*call)(void* context, broker::ConnectionRef connection);
  void* context;
  broker::ConnectionRef connection;
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// Some of the bytes that have arrived. Precondition: `into` is not empty.
  virtual Transfer receive(std::span<char> into) = 0;
  /// Takes some of the bytes. After `would_block` and after a part, the next call must begin with
  /// the bytes not yet taken, and offer no fewer: they may be encrypted already.
  virtual Transfer send(std::string_view bytes) = 0;

  /// Bytes that receive() would give although the socket is not readable: they have been read from
  /// it. wait_readable() knows of them.
  virtual bool pending() const noexcept = 0;
  virtual void wait_readable(Wake wake) = 0;
  virtual void wait_writable(Wake wake) = 0;
  /// Wakes from the event loop, without waiting for anything.
  virtual void soon(Wake wake) = 0;
  /// Forgets all waiting; a wake already on its way may still come.
  virtual void cancel() = 0;

  /// Says that nothing more will be sent, in each layer's own words, as far as the socket takes
  /// them now.
  virtual void shutdown_send() = 0;

  /// Adds what this layer knows of the peer. Complete once receive() has given the first byte.
  virtual void describe(broker::Peer& peer) const = 0;
  /// Why it failed; for the log. Empty: it has not.
  virtual std::string_view reason() const noexcept = 0;
};

}  // namespace rowgate::net
