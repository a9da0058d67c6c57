#pragma once
// One listening socket of one I/O thread: accepts, at the pace that Admission allows; those who
// come faster wait in the kernel's backlog.
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "gateway/net/listener.hpp"

namespace rowgate::net {

class IoThread;

class Acceptor {
 public:
  /// Throws as open_acceptor() does.
  Acceptor(IoThread& thread, boost::asio::io_context& io, const Bound& bound);

  void start() { accept(); }
  /// No more connections. Afterwards nothing of it runs.
  void stop();

 private:
  void accept();
  void accept_after(std::chrono::nanoseconds pause);

  IoThread& thread_;
  const Kind kind_;
  tcp::acceptor socket_;
  boost::asio::steady_timer pause_;
  tcp::endpoint from_;
  bool stopped_ = false;
};

}  // namespace rowgate::net
