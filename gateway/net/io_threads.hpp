#pragma once
// The MQTT listeners as a whole: N I/O threads behind all their addresses, and the paths between
// them.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/net/io_thread.hpp"

namespace rowgate::net {

class IoThreads final : public broker::Peers {
 public:
  /// Claims the addresses and reads the certificate, if a listener needs one. Throws
  /// std::runtime_error with a sentence for people.
  explicit IoThreads(std::vector<Listen> listeners, const TlsOptions& tls = {});
  ~IoThreads() override;

  /// In the order they were asked for, with their real ports, also where 0 was asked for.
  const std::vector<Listen>& listeners() const noexcept { return listeners_; }
  /// Opens the listening sockets. `threads` is 1 to 255. From here on journal_moved() is allowed.
  void open(broker::Broker& broker, unsigned threads, const NetOptions& options);
  void start();
  /// Any thread: acknowledgements may be due, or the journal has room again.
  void journal_moved();
  /// Reads the TLS certificate again, at once or if its files have changed; asked about once a
  /// second. The log says what came of it. One thread.
  void reload_certificate();
  void reload_changed_certificate();
  /// Stops accepting and reading; what is owed is still acknowledged.
  void quiesce();
  /// Sends the acknowledgements now due, says good-bye to every client and ends the threads.
  void finish();

  void take_over(broker::ConnectionRef displaced, broker::ConnectionRef successor) override;
  void proceed(broker::ConnectionRef successor) override;
  void deliver(broker::Delivery&& delivery) override;
  void send_off() override;
  void authenticated(broker::ConnectionRef waiting, security::Verdict&& verdict) override;

 private:
  std::vector<Listen> listeners_;
  std::vector<Bound> bound_;
  std::unique_ptr<TlsContext> tls_;  // null: no listener needs it
  std::unique_ptr<Admission> admission_;
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace rowgate::net
