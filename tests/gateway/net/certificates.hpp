#pragma once
// Certificates for tests, made in memory and written as PEM.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace rowgate::net {

struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
};

struct Subject {
  std::string cn{};
  std::string san{};  // as openssl.cnf says it: "DNS:a,email:b"; empty: none
  bool authority = false;
  int days = 30;  // from now; negative: it has expired
};

inline void extend(X509* certificate, int nid, const std::string& value) {
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()), &X509_EXTENSION_free);
  if (!extension) throw std::runtime_error("bad extension: " + value);
  X509_add_ext(certificate, extension.get(), -1);
}

/// `issuer` null: self-signed.
inline Identity issue(const Subject& subject, const Identity* issuer = nullptr) {
  Identity made{{EVP_EC_gen("P-256"), EVP_PKEY_free}, {X509_new(), X509_free}};
  X509* const certificate = made.certificate.get();
  static long serial = 1;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  const long end = 24L * 3600 * subject.days;
  X509_gmtime_adj(X509_getm_notBefore(certificate), end < 0 ? 2 * end : -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), end);
  X509_set_pubkey(certificate, made.key.get());
  if (!subject.cn.empty()) {
    X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(subject.cn.data()),
                               static_cast<int>(subject.cn.size()), -1, 0);
  }
  const Identity& signer = issuer ? *issuer : made;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  if (subject.authority) extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  if (!subject.san.empty()) extend(certificate, NID_subject_alt_name, subject.san);
  X509_sign(certificate, signer.key.get(), EVP_sha256());
  return made;
}

inline void write_certificate(const std::filesystem::path& file, const Identity& identity) {
  std::FILE* out = std::fopen(file.c_str(), "we");
  PEM_write_X509(out, identity.certificate.get());
  std::fclose(out);
}
/// `passphrase` empty: in the clear.
inline void write_key(const std::filesystem::path& file, const Identity& identity,
                      const std::string& passphrase = {}) {
  std::FILE* out = std::fopen(file.c_str(), "we");
  PEM_write_PrivateKey(out, identity.key.get(), passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
                       nullptr, 0, nullptr,
                       passphrase.empty() ? nullptr : const_cast<char*>(passphrase.c_str()));
  std::fclose(out);
}

}  // namespace rowgate::net
