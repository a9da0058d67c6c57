#pragma once
// Reads the PROXY protocol's header, and nothing beyond it, from the front of a connection.
#include <functional>
#include <string>

#include "gateway/net/layer.hpp"

namespace rowgate::net {

class ProxiedTransport final : public Layer {
 public:
  /// `admit` is asked once, with the announced address: false: that client has its share of
  /// connections. A proxy's own connection (LOCAL) is not asked for.
  using Admit = std::function<bool(const std::string& address)>;

  ProxiedTransport(std::unique_ptr<Transport> below, Admit admit)
      : Layer(std::move(below)), admit_(std::move(admit)) {}

  Transfer receive(std::span<char> into) override;
  Transfer send(std::string_view bytes) override;
  void describe(broker::Peer& peer) const override;

 private:
  /// `bytes`: done.
  Transfer read_header();

  Admit admit_;
  bool open_ = false;
  std::string header_;
  std::string address_;
};

}  // namespace rowgate::net
