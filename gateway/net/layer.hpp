#pragma once
// A transport laid over another: what a layer does not change goes to the one below.
#include <memory>
#include <utility>

#include "gateway/net/transport.hpp"

namespace rowgate::net {

class Layer : public Transport {
 public:
  explicit Layer(std::unique_ptr<Transport> below) : below_(std::move(below)) {}

  bool pending() const noexcept override { return below_->pending(); }
  void wait_readable(Wake wake) override { below_->wait_readable(wake); }
  void wait_writable(Wake wake) override { below_->wait_writable(wake); }
  void soon(Wake wake) override { below_->soon(wake); }
  void cancel() override { below_->cancel(); }
  void shutdown_send() override { below_->shutdown_send(); }
  void describe(broker::Peer& peer) const override { below_->describe(peer); }
  std::string_view reason() const noexcept override {
    return reason_.empty() ? below_->reason() : reason_;
  }

 protected:
  Transport& below() const noexcept { return *below_; }
  /// `reason` lives for ever.
  Transfer fail(std::string_view reason) noexcept {
    reason_ = reason;
    return {Flow::failed, 0};
  }
  bool has_failed() const noexcept { return !reason_.empty(); }
  /// After the end: reads what still comes and forgets it.
  Transfer discard(std::span<char> into) {
    const Transfer got = below_->receive(into);
    return got.flow == Flow::bytes ? Transfer{} : got;
  }

 private:
  std::unique_ptr<Transport> below_;
  std::string_view reason_;
};

}  // namespace rowgate::net
