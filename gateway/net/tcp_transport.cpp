#include "gateway/net/tcp_transport.hpp"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>

namespace rowgate::net {

Transfer TcpTransport::receive(std::span<char> into) {
  while (true) {
    const ssize_t n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) return {Flow::bytes, static_cast<std::size_t>(n)};
    if (n == 0) return {Flow::closed, 0};
    if (errno == EAGAIN) return {};
    if (errno != EINTR) return {Flow::closed, 0};
  }
}

Transfer TcpTransport::send(std::string_view bytes) {
  while (true) {
    const ssize_t n =
        ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return {Flow::bytes, static_cast<std::size_t>(n)};
    if (errno == EAGAIN) return {};
    if (errno != EINTR) return {Flow::closed, 0};
  }
}

void TcpTransport::wait_readable(Wake wake) {
  socket_.async_wait(tcp::socket::wait_read, [wake](const boost::system::error_code& error) {
    if (!error) wake.call(wake.context, wake.connection);
  });
}

void TcpTransport::wait_writable(Wake wake) {
  socket_.async_wait(tcp::socket::wait_write, [wake](const boost::system::error_code& error) {
    if (!error) wake.call(wake.context, wake.connection);
  });
}

void TcpTransport::soon(Wake wake) {
  auto& io = static_cast<boost::asio::io_context&>(socket_.get_executor().context());
  boost::asio::post(io, [wake] { wake.call(wake.context, wake.connection); });
}

void TcpTransport::cancel() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void TcpTransport::shutdown_send() {
  boost::system::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace rowgate::net
