#pragma once
// The server's TLS settings and certificate: TLS 1.2 with forward secrecy and authenticated
// encryption, and 1.3; no renegotiation, no compression. The files can be read again while
// connections live: new connections take the new context, old ones keep theirs.
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>

#include "gateway/net/certificate_user.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace rowgate::net {

struct TlsOptions {
  std::string certificate{};  // PEM: the server's certificate, then those between it and the root
  std::string key{};          // PEM, without a passphrase
  std::string client_ca{};    // PEM; set: clients must present a certificate that it signed
  CertificateField user = CertificateField::cn;
  std::string min_version = "1.2";  // 1.2 | 1.3
};

/// What is wrong with the configuration of TLS, in a sentence for people.
struct TlsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class TlsContext {
 public:
  /// Reads the files. Throws TlsError. A certificate that has
  /// expired, or soon will, is a warning in the log.
  explicit TlsContext(TlsOptions options);

  /// For a new connection. Any thread.
  std::shared_ptr<ssl_ctx_st> current() const;
  CertificateField user() const noexcept { return options_.user; }

  /// Reads the files again. If they are bad, the log says what is wrong and the old context stays.
  void reload();
  /// Reloads if the files are others than at the last look, and have been left alone since the one
  /// before: a new certificate and its key are two files. About once a second; one thread.
  void reload_if_changed();

 private:
  using Mark = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;
  using Marks = std::array<Mark, 3>;

  Marks look() const;

  const TlsOptions options_;
  Marks loaded_;
  Marks seen_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> current_;  // guarded by mutex_
};

}  // namespace rowgate::net
