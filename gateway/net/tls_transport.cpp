#include "gateway/net/tls_transport.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace rowgate::net {
namespace {

// OpenSSL reads and writes through the layer below. Its own socket BIO would do without it, but
// raises SIGPIPE.
int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* done) {
  BIO_clear_retry_flags(bio);
  *done = 0;
  if (size == 0) return 0;
  const Transfer got = static_cast<TlsTransport*>(BIO_get_data(bio))->receive_below({into, size});
  if (got.flow == Flow::would_block) BIO_set_retry_read(bio);
  *done = got.bytes;
  return got.flow == Flow::bytes ? 1 : 0;
}

int bio_write(BIO* bio, const char* bytes, std::size_t size, std::size_t* done) {
  BIO_clear_retry_flags(bio);
  const Transfer sent = static_cast<TlsTransport*>(BIO_get_data(bio))->send_below({bytes, size});
  if (sent.flow == Flow::would_block) BIO_set_retry_write(bio);
  *done = sent.bytes;
  return sent.flow == Flow::bytes ? 1 : 0;
}

long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rowgate");
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

std::string_view failure(const SSL& ssl) {
  const long verified = SSL_get_verify_result(&ssl);
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason ? reason : "TLS failed";
}

}  // namespace

TlsTransport::TlsTransport(std::unique_ptr<Transport> below, SSL_CTX& context,
                           CertificateField user)
    : Layer(std::move(below)), ssl_(SSL_new(&context), &SSL_free), user_(user) {
  BIO* bio = ssl_ ? BIO_new(bio_method()) : nullptr;
  if (!bio) {
    end_ = fail("no memory for TLS");
    return;
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsTransport::~TlsTransport() = default;

Transfer TlsTransport::receive_below(std::span<char> into) {
  const Transfer got = below().receive(into);
  if (got.flow == Flow::closed || got.flow == Flow::failed) below_ = got.flow;
  return got;
}

Transfer TlsTransport::send_below(std::string_view bytes) {
  const Transfer sent = below().send(bytes);
  if (sent.flow == Flow::closed) below_ = sent.flow;
  return sent;
}

Transfer TlsTransport::receive(std::span<char> into) {
  if (end_ && end_said_) return discard(into);
  std::size_t got = 0;
  read_wants_write_ = false;
  more_ = false;
  while (!end_ && got < into.size()) {
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_read_ex(ssl_.get(), into.data() + got, into.size() - got, &n) == 1) {
      got += n;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    read_wants_write_ = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) break;
    end_ = end(error);
  }
  if (got == 0 && end_) {
    end_said_ = true;
    return *end_;
  }
  if (got == 0) return {};
  more_ = end_ || (got == into.size() && SSL_has_pending(ssl_.get()) == 1);
  return {Flow::bytes, got};
}

Transfer TlsTransport::end(int ssl_error) {
  if (ssl_error == SSL_ERROR_ZERO_RETURN || below_ == Flow::closed) return {Flow::closed, 0};
  if (below_ == Flow::failed) return {Flow::failed, 0};  // that layer knows why
  return fail(failure(*ssl_));
}

Transfer TlsTransport::send(std::string_view bytes) {
  if (end_) return {Flow::closed, 0};
  write_wants_read_ = false;
  ERR_clear_error();
  std::size_t n = 0;
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n) == 1) return {Flow::bytes, n};
  const int error = SSL_get_error(ssl_.get(), 0);
  write_wants_read_ = error == SSL_ERROR_WANT_READ;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
  return {Flow::closed, 0};
}

void TlsTransport::wait_readable(Wake wake) {
  if (more_) return soon(wake);
  read_wants_write_ ? below().wait_writable(wake) : below().wait_readable(wake);
}

void TlsTransport::wait_writable(Wake wake) {
  write_wants_read_ ? below().wait_readable(wake) : below().wait_writable(wake);
}

void TlsTransport::shutdown_send() {
  if (!end_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // close_notify; nobody waits for its answer
  }
  below().shutdown_send();
}

void TlsTransport::describe(broker::Peer& peer) const {
  below().describe(peer);
  peer.secure = true;
  const X509* certificate = ssl_ ? SSL_get0_peer_certificate(ssl_.get()) : nullptr;
  if (certificate) peer.certificate_user = certificate_user(*certificate, user_);
}

}  // namespace rowgate::net
