#pragma once
// The MQTT listener as a whole: N I/O threads behind one address, and the paths between them.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/net/io_thread.hpp"

namespace rowgate::net {

class IoThreads final : public broker::Peers {
 public:
  /// Claims the address. Throws std::runtime_error with a sentence for people.
  IoThreads(const std::string& host, std::uint16_t port);
  ~IoThreads() override;

  /// The real port, also where 0 was asked for.
  std::uint16_t port() const noexcept { return endpoint_.port(); }
  /// Opens the listening sockets. `threads` is 1 to 255. From here on journal_moved() is allowed.
  void open(broker::Broker& broker, unsigned threads, NetLimits limits);
  void start();
  /// Any thread: acknowledgements may be due, or the journal has room again.
  void journal_moved();
  /// Stops accepting and reading; what is owed is still acknowledged.
  void quiesce();
  /// Sends the acknowledgements now due, says good-bye to every client and ends the threads.
  void finish();

  void take_over(broker::ConnectionRef displaced, broker::ConnectionRef successor) override;
  void proceed(broker::ConnectionRef successor) override;
  void deliver(broker::Delivery&& delivery) override;

 private:
  tcp::endpoint endpoint_;
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace rowgate::net
