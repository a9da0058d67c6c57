#include "gateway/net/acceptor.hpp"

#include <spdlog/spdlog.h>

#include "gateway/net/io_thread.hpp"

namespace rowgate::net {
namespace {

constexpr std::chrono::milliseconds try_again{100};

}  // namespace

Acceptor::Acceptor(IoThread& thread, boost::asio::io_context& io, const Bound& bound)
    : thread_(thread), kind_(bound.kind), socket_(open_acceptor(io, bound)), pause_(io) {}

void Acceptor::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  pause_.cancel();
}

void Acceptor::accept() {
  socket_.async_accept(from_, [this](const boost::system::error_code& error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted || stopped_) return;
    const auto now = std::chrono::steady_clock::now();
    if (!error) {
      thread_.add(std::move(socket), kind_, from_.address());
      return accept_after(thread_.admission().pause_after_accept(now));
    }
    // Out of descriptors, most likely: those who are connected go on, newcomers wait.
    if (thread_.admission().first_failure(now)) {
      spdlog::warn("cannot accept a connection: {}; newcomers wait until there is room",
                   error.message());
    }
    accept_after(try_again);
  });
}

void Acceptor::accept_after(std::chrono::nanoseconds pause) {
  if (pause.count() == 0) return accept();
  pause_.expires_after(pause);
  pause_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && !stopped_) accept();
  });
}

}  // namespace rowgate::net
