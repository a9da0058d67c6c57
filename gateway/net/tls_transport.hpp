#pragma once
// TLS, the server's side. The handshake happens in the first calls of receive(); the thread's
// buffer takes what is decrypted, so that an idle connection keeps only OpenSSL's own state.
#include <memory>
#include <optional>

#include "gateway/net/certificate_user.hpp"
#include "gateway/net/layer.hpp"

struct ssl_st;      // OpenSSL's SSL
struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace rowgate::net {

class TlsTransport final : public Layer {
 public:
  TlsTransport(std::unique_ptr<Transport> below, ssl_ctx_st& context, CertificateField user);
  ~TlsTransport() override;

  Transfer receive(std::span<char> into) override;
  Transfer send(std::string_view bytes) override;
  bool pending() const noexcept override { return more_; }
  void wait_readable(Wake wake) override;
  void wait_writable(Wake wake) override;
  void shutdown_send() override;
  void describe(broker::Peer& peer) const override;

  /// For OpenSSL's BIO: the layer below, and what came of it.
  Transfer receive_below(std::span<char> into);
  Transfer send_below(std::string_view bytes);

 private:
  /// What the end of an SSL call means.
  Transfer end(int ssl_error);

  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  const CertificateField user_;
  bool more_ = false;              // decrypted, or read and not yet decrypted
  bool read_wants_write_ = false;  // the last receive() waits for the socket to take bytes
  bool write_wants_read_ = false;
  bool end_said_ = false;
  std::optional<Transfer> end_;
  Flow below_ = Flow::would_block;  // closed or failed: the layer below has ended
};

}  // namespace rowgate::net
