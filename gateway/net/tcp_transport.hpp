#pragma once
// The bare socket: one system call for each receive() and send().
#include "gateway/net/listener.hpp"
#include "gateway/net/transport.hpp"

namespace rowgate::net {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(tcp::socket socket) : socket_(std::move(socket)) {}

  Transfer receive(std::span<char> into) override;
  Transfer send(std::string_view bytes) override;
  bool pending() const noexcept override { return false; }
  void wait_readable(Wake wake) override;
  void wait_writable(Wake wake) override;
  void soon(Wake wake) override;
  void cancel() override;
  void shutdown_send() override;
  void describe(broker::Peer&) const override {}  // the address was known at accept()
  std::string_view reason() const noexcept override { return {}; }

 private:
  tcp::socket socket_;
};

}  // namespace rowgate::net
