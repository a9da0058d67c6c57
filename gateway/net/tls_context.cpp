#include "gateway/net/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace rowgate::net {
namespace {

// Of TLS 1.2; those of 1.3 are all of this kind.
constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr int days_of_warning = 14;

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : fmt::format("OpenSSL error {:x}", code);
}

[[noreturn]] void refuse(std::string_view option, const std::string& file, std::string_view what) {
  throw TlsError(fmt::format("{}: {}: {}", option, file, what));
}

void must_be_readable(std::string_view option, const std::string& file) {
  std::FILE* opened = std::fopen(file.c_str(), "rbe");
  if (!opened) refuse(option, file, std::strerror(errno));
  std::fclose(opened);
}

/// Asked for the passphrase of an encrypted key; without it OpenSSL would ask on the terminal.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

void load_certificate(SSL_CTX& context, const TlsOptions& options) {
  must_be_readable("tls.certificate", options.certificate);
  if (SSL_CTX_use_certificate_chain_file(&context, options.certificate.c_str()) != 1) {
    refuse("tls.certificate", options.certificate,
           fmt::format("no certificate that can be used ({}); give a PEM file with the server's "
                       "certificate first, then the chain",
                       openssl_reason()));
  }
}

void load_key(SSL_CTX& context, const TlsOptions& options) {
  must_be_readable("tls.key", options.key);
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(&context, no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(&context, &encrypted);
  const bool loaded =
      SSL_CTX_use_PrivateKey_file(&context, options.key.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
  SSL_CTX_set_default_passwd_cb(&context, nullptr);
  if (encrypted) {
    refuse("tls.key", options.key,
           "the key is encrypted; give one without a passphrase (openssl pkey -in OLD -out NEW), "
           "readable by the gateway's user alone");
  }
  if (!loaded && ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH) {
    refuse("tls.key", options.key,
           fmt::format("no private key that can be used ({}); give a PEM file", openssl_reason()));
  }
  if (!loaded || SSL_CTX_check_private_key(&context) != 1) {
    refuse("tls.key", options.key,
           fmt::format("the key does not belong to the certificate in {}; give the key that the "
                       "certificate was made for",
                       options.certificate));
  }
}

void require_client_certificates(SSL_CTX& context, const TlsOptions& options) {
  if (options.client_ca.empty()) return;
  must_be_readable("tls.client_ca", options.client_ca);
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca.c_str());
  if (!names || SSL_CTX_load_verify_file(&context, options.client_ca.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    refuse("tls.client_ca", options.client_ca,
           fmt::format("no certificates that can be used ({}); give a PEM file with those of the "
                       "authorities that sign client certificates",
                       openssl_reason()));
  }
  SSL_CTX_set_client_CA_list(&context, names);  // takes the names
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

void warn_of_expiry(SSL_CTX& context, const TlsOptions& options) {
  const X509* certificate = SSL_CTX_get0_certificate(&context);
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    spdlog::warn("tls.certificate: {}: the certificate is not valid yet: clients will refuse it",
                 options.certificate);
  }
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1) return;
  if (days < 0 || seconds < 0) {
    spdlog::warn(
        "tls.certificate: {}: the certificate has expired: clients will refuse it; "
        "replace the file, it is read again by itself",
        options.certificate);
  } else if (days < days_of_warning) {
    spdlog::warn(
        "tls.certificate: {}: the certificate expires in {} days; replace the file, it is "
        "read again by itself",
        options.certificate, days);
  }
}

std::shared_ptr<SSL_CTX> load(const TlsOptions& options) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) throw std::runtime_error(fmt::format("TLS: {}", openssl_reason()));
  SSL_CTX* const c = context.get();
  SSL_CTX_set_min_proto_version(c, options.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (SSL_CTX_set_cipher_list(c, ciphers) != 1) {
    throw std::runtime_error(fmt::format(
        "TLS: this system's OpenSSL has none of the ciphers {}: {}", ciphers, openssl_reason()));
  }
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // Idle connections keep no buffers; what is sent may move in memory until it is taken.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(c, 1);
  // Tickets only: sessions cost the server no memory, and end with this context.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  constexpr unsigned char id[] = "rowgate";
  SSL_CTX_set_session_id_context(c, id, sizeof id - 1);
  SSL_CTX_set_num_tickets(c, 1);
  load_certificate(*c, options);
  load_key(*c, options);
  require_client_certificates(*c, options);
  warn_of_expiry(*c, options);
  ERR_clear_error();
  return context;
}

}  // namespace

TlsContext::TlsContext(TlsOptions options)
    : options_(std::move(options)), loaded_(look()), seen_(loaded_), current_(load(options_)) {}

std::shared_ptr<SSL_CTX> TlsContext::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void TlsContext::reload() {
  loaded_ = look();
  try {
    std::shared_ptr<SSL_CTX> fresh = load(options_);
    const std::lock_guard lock(mutex_);
    current_ = std::move(fresh);
  } catch (const std::exception& error) {
    spdlog::error("the TLS certificate stays as it was: {}", error.what());
    return;
  }
  spdlog::info("TLS certificate {} reloaded; new connections use it", options_.certificate);
}

void TlsContext::reload_if_changed() {
  const Marks now = look();
  const bool settled = now == seen_;
  seen_ = now;
  if (settled && now != loaded_) reload();
}

TlsContext::Marks TlsContext::look() const {
  Marks marks{};
  auto mark = marks.begin();
  for (const std::string* file : {&options_.certificate, &options_.key, &options_.client_ca}) {
    struct stat st {};
    if (!file->empty() && ::stat(file->c_str(), &st) == 0) {
      *mark = {st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
    }
    ++mark;
  }
  return marks;
}

}  // namespace rowgate::net
